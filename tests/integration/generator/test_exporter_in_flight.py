"""Requests without an answer show while they wait, and are counted when their users are stopped."""

import time
from pathlib import Path

from firedrill.contract import LATENCY_BOUNDS_SECONDS, format_bound
from firedrill.places import EXPORTER_PLUGIN
from tests.locust_process import Locust
from tests.waiting import poll_until

LOCUSTFILES = Path(__file__).parent / "locustfiles"


def test_requests_of_starved_users_are_abandoned_exactly(target):
    """Locust's own statistics do not know of them."""
    files = (LOCUSTFILES / "hanging.py", EXPORTER_PLUGIN)
    arguments = ("--headless", "-u", 10, "-r", 10, "-H", target.url)
    began = time.monotonic()
    with Locust(*arguments, files=files, FIREDRILL_STARVATION_SECONDS="0.5") as locust:
        metrics = locust.until(
            lambda metrics: metrics.value("locust_users_starved") == 10, "every user to starve"
        )
        assert metrics.value("locust_requests_in_flight") == 10
        assert metrics.value("locust_requests_in_flight_oldest_seconds") > 0.5
        assert metrics.value("locust_requests_in_flight_age", le="0.5") == 0
        assert metrics.value("locust_requests_in_flight_age", le="+Inf") == 10
        assert metrics.total("locust_requests_abandoned_total") == 0
        last = locust.stop()[-1]
    elapsed = time.monotonic() - began
    assert last.value("locust_requests_in_flight") == 0
    assert last.value("locust_requests_abandoned_total", stage="in_flight") == 10
    assert last.value("locust_requests_abandoned_total", stage="unreported") == 0
    ages = "locust_requests_abandoned_age_seconds"
    assert last.value(f"{ages}_bucket", le="0.5") == 0
    covering = next(bound for bound in (*LATENCY_BOUNDS_SECONDS, float("inf")) if bound >= elapsed)
    assert (
        last.value(f"{ages}_bucket", le=format_bound(covering)) == last.value(f"{ages}_count") == 10
    )
    assert 10 * 0.5 < last.value(f"{ages}_sum") < 10 * elapsed
    assert last.total("locust_requests_total") == 10
    assert last.value("locust_request_duration_seconds_count", method="GET", name="/") == 10
    assert target.received == 20


def test_answers_lost_in_an_unfinished_block_are_counted(target):
    files = (LOCUSTFILES / "careless.py", EXPORTER_PLUGIN)
    with Locust("--headless", "-u", 4, "-r", 4, "-H", target.url, files=files) as locust:
        locust.until(
            lambda metrics: metrics.value("locust_user_exceptions_total") == 4,
            "every user to have lost its answers",
        )
        metrics = locust.stop()[-1]
    assert metrics.value("locust_user_exceptions_total") == 4
    assert metrics.value("locust_requests_total", method="GET", name="reported") == 4
    assert (
        metrics.value(
            "locust_request_errors_total", method="GET", name="reported", error="CatchResponseError"
        )
        == 4
    )
    assert metrics.total("locust_requests_total") == 4
    assert metrics.value("locust_requests_abandoned_total", stage="unreported") == 8
    assert metrics.value("locust_requests_abandoned_total", stage="in_flight") == 0
    assert target.received == 12


def test_every_sent_request_was_answered_or_timed_out(target):
    """Each client has a user that is answered at once, one after a redirect, and one never."""
    files = (LOCUSTFILES / "wire.py", EXPORTER_PLUGIN)
    with Locust("--headless", "-u", 6, "-r", 6, "-H", target.url, files=files) as locust:
        locust.until(
            lambda metrics: metrics.total("locust_requests_total") == 18, "every user to be done"
        )
        metrics = locust.stop()[-1]
    hops, timeouts = 6, metrics.total("locust_request_errors_total", error="timeout")
    assert timeouts == metrics.total("locust_request_failures_total") == 6
    assert metrics.total("locust_requests_total") == 18
    assert metrics.total("locust_requests_abandoned_total") == 0
    answers = metrics.total("locust_requests_total") - timeouts + hops
    assert answers + timeouts == 24
    # The target may read a request only after its user has given up on it.
    poll_until(lambda: target.received >= 24, "the last request to be read")
    assert target.received == 24
