"""Requests that do not come back: seen while they wait, and accounted for when their users are stopped."""

import pytest

from firedrill.places import EXPORTER_PLUGIN, ROOT
from tests.locust_process import Locust
from tests.target import Target

LOCUSTFILES = ROOT / "tests" / "locustfiles"


@pytest.fixture
def target():
    with Target() as target:
        yield target


def test_starved_users_show_and_their_requests_are_abandoned_exactly(target):
    """Locust's own statistics of this run are perfect: every answer took milliseconds."""
    files = (LOCUSTFILES / "hanging.py", EXPORTER_PLUGIN)
    arguments = ("--headless", "-u", 10, "-r", 10, "-t", "4s", "-H", target.url)
    with Locust(*arguments, files=files, FIREDRILL_STARVATION_SECONDS="0.5") as locust:
        page = locust.until(lambda page: page.value("locust_users_starved") == 10, "every user to starve")
        assert page.value("locust_requests_in_flight") == 10
        assert page.value("locust_requests_in_flight_oldest_seconds") > 0.5
        assert page.value("locust_requests_in_flight_age", le="0.5") == 0
        assert page.value("locust_requests_in_flight_age", le="+Inf") == 10
        assert page.total("locust_requests_abandoned_total") == 0
        last = locust.scrape_until_the_end()[-1]
    assert last.value("locust_requests_in_flight") == 0
    assert last.value("locust_requests_abandoned_total", stage="in_flight") == 10
    assert last.value("locust_requests_abandoned_total", stage="unreported") == 0
    ages = "locust_requests_abandoned_age_seconds"
    assert last.value(f"{ages}_bucket", le="0.5") == 0
    assert last.value(f"{ages}_bucket", le="10.0") == last.value(f"{ages}_count") == 10
    assert 10 * 0.5 < last.value(f"{ages}_sum") < 10 * 10
    assert last.total("locust_requests_total") == 10
    assert last.value("locust_request_duration_seconds_bucket", method="GET", name="/", le="1.0") == 10
    assert target.received == 20


def test_answers_lost_in_an_unfinished_block_are_counted(target):
    files = (LOCUSTFILES / "careless.py", EXPORTER_PLUGIN)
    with Locust("--headless", "-u", 4, "-r", 4, "-t", "2s", "-H", target.url, files=files) as locust:
        page = locust.scrape_until_the_end()[-1]
    assert page.value("locust_user_exceptions_total") == 4
    assert page.value("locust_requests_total", method="GET", name="reported") == 4
    assert page.value("locust_request_errors_total", method="GET", name="reported", error="CatchResponseError") == 4
    assert page.total("locust_requests_total") == 4
    assert page.value("locust_requests_abandoned_total", stage="unreported") == 8
    assert page.value("locust_requests_abandoned_total", stage="in_flight") == 0
    assert target.received == 12


def test_what_went_over_the_wire_is_answered_or_timed_out(target):
    """Three users of each client: one answer at once, one after a redirect, one that they give up on."""
    files = (LOCUSTFILES / "wire.py", EXPORTER_PLUGIN)
    with Locust("--headless", "-u", 6, "-r", 6, "-t", "3s", "-H", target.url, files=files) as locust:
        page = locust.scrape_until_the_end()[-1]
    hops, timeouts = 6, page.total("locust_request_errors_total", error="timeout")
    assert timeouts == page.total("locust_request_failures_total") == 6
    assert page.total("locust_requests_total") == 18
    assert page.total("locust_requests_abandoned_total") == 0
    answers = page.total("locust_requests_total") - timeouts + hops
    assert target.received == answers + timeouts == 24
