"""Locustfiles in other styles run as docs/bring-your-own.md says."""

from pathlib import Path

import pytest

from firedrill.places import EXPORTER_PLUGIN, SHAPE
from tests.locust_process import Locust
from tests.target_server import Target
from tests.waiting import poll_until

LOCUSTFILES = Path(__file__).parent / "locustfiles"
READ = {"/catalogue", "/catalogue (editor)"}


def yours(name, *more):
    return (LOCUSTFILES / f"{name}.py", *more, EXPORTER_PLUGIN)


def names(metrics):
    return {
        labels["name"] for name, labels, _ in metrics.samples if name == "locust_requests_total"
    }


def test_weighted_users_with_tags_keep_their_weights_and_tags(target):
    with Locust(
        "--headless", "-u", 8, "-r", 8, "--tags", "read", "-H", target.url, files=yours("shop")
    ) as locust:
        metrics = locust.until(
            lambda metrics: metrics.total("locust_requests_total") > 50 and len(names(metrics)) > 1,
            "requests of both kinds",
        )
    assert (
        metrics.value("locust_users", user_class="Reader"),
        metrics.value("locust_users", user_class="Editor"),
    ) == (6, 2)
    assert names(metrics) == READ
    assert metrics.values("locust_requests_in_flight")


def test_tags_hold_in_an_open_loop(target, tmp_path):
    """Arrivals follow the users' weights, which are drawn: 800 never differ from 3 to 1 by
    six deviations.
    """
    profile = tmp_path / "open.yaml"
    steps = "[{start_time: 0s, rate: 200}, {start_time: 4s, rate: 0}]"
    profile.write_text(
        f"name: o\narrivals: open\nmax_in_flight: 8\nsteps: {steps}\nduration: 600s\n"
    )
    load = ("--headless", "--load-profile", profile, "--tags", "read", "-H", target.url)
    with Locust(*load, files=(LOCUSTFILES / "patient.py", *yours("shop", SHAPE))) as locust:
        metrics = locust.until(
            lambda metrics: metrics.total("locust_requests_total") == 800,
            "every arrival to be answered",
        )
    assert names(metrics) == READ
    assert metrics.value("locust_requests_total", name="/catalogue") / metrics.total(
        "locust_requests_total"
    ) == pytest.approx(0.75, abs=0.09)


def test_hidden_request_starts_give_no_in_flight_figure():
    with Locust("--headless", "-u", 3, "-r", 3, files=yours("broker")) as locust:
        metrics = locust.until(
            lambda metrics: metrics.total("locust_requests_total") > 20, "messages"
        )
    assert (
        metrics.value(
            "locust_request_duration_seconds_bucket", name="publish", method="MQTT", le="0.005"
        )
        == 0
    )
    for unknown in ("in_flight", "in_flight_age", "in_flight_oldest_seconds", "abandoned_total"):
        assert not metrics.values(f"locust_requests_{unknown}")
    assert not metrics.values("locust_users_starved")


@pytest.mark.parametrize(("seen", "starved"), [("measured", [1]), ("fired", [])])
def test_starved_users_are_unknown_where_some_waits_are_hidden(target, seen, starved):
    longer = "requests for longer than who waits starves"
    load = ("--headless", "-u", 2, "-r", 2, "--tags", "web", seen, "-H", target.url)
    with Locust(*load, files=yours("half_seen"), FIREDRILL_STARVATION_SECONDS="0.5") as locust:
        locust.until(lambda metrics: metrics.total("locust_requests_total") > 14, longer)
        metrics = locust.until(
            lambda metrics: metrics.values("locust_users_starved") == starved,
            "the other one alone to starve, or no figure",
        )
    assert metrics.values("locust_requests_abandoned_total") == [0, 0]


def test_requests_to_another_host_are_counted_as_well(target):
    with (
        Target() as other,
        Locust(
            "--headless",
            "-u",
            2,
            "-r",
            2,
            "-H",
            target.url,
            files=yours("moving"),
            OTHER_HOST=other.url,
        ) as locust,
    ):
        poll_until(lambda: other.received > 5, "requests to the other host")
        metrics = locust.until(
            lambda metrics: metrics.value("locust_requests_total", name="/orders") > 11,
            "them to be counted",
        )
    assert target.received == 6
    assert metrics.total("locust_request_failures_total") == 0


def test_fifty_thousand_names_are_folded_and_every_request_counts():
    # Locust's own table of so many rows, printed every two seconds, would stop it for seconds.
    with Locust("--headless", "--only-summary", "-u", 1, files=yours("namer")) as locust:
        metrics = locust.until(
            lambda metrics: metrics.total("locust_requests_total") == 50_004, "all to be named"
        )
    assert metrics.value("locust_requests_untimed_total", method="GET", name="other") == 3
    assert len(names(metrics)) == 201  # 200 and `other`
    assert metrics.value("locust_exporter_folded_names") == 50_004 - 200
    assert (
        metrics.value(
            "locust_request_duration_seconds_bucket", method="GET", name="other", le="0.005"
        )
        == 50_000 - 200
    )
    assert len(metrics.text) < 1_000_000
