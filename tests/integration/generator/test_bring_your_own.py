"""Locustfiles in styles that are not ours, as docs/bring-your-own.md tells to run them."""

import pytest

from firedrill.places import EXPORTER_PLUGIN, ROOT, SHAPE
from tests.locust_process import Locust
from tests.target import Target
from tests.waiting import poll_until

LOCUSTFILES = ROOT / "tests" / "locustfiles"
HEADLESS = ("--headless", "-t", "30s")


@pytest.fixture
def target():
    with Target() as target:
        yield target


def yours(name, *more):
    return (LOCUSTFILES / f"{name}.py", *more, EXPORTER_PLUGIN)


def names(page):
    return {labels["name"] for name, labels, _ in page.samples if name == "locust_requests_total"}


def test_weighted_users_with_tags_keep_their_weights_and_tags(target):
    with Locust(*HEADLESS, "-u", 8, "-r", 8, "--tags", "read", "-H", target.url, files=yours("shop")) as locust:
        page = locust.until(lambda page: page.total("locust_requests_total") > 50, "requests")
    assert (page.value("locust_users", user_class="Reader"), page.value("locust_users", user_class="Editor")) == (6, 2)
    assert names(page) == {"/catalogue", "/catalogue (editor)"}
    assert page.values("locust_requests_in_flight")


def test_tags_hold_in_an_open_loop_and_arrivals_follow_the_weights(target, tmp_path):
    profile = tmp_path / "open.yaml"
    profile.write_text("name: o\narrivals: open\nmax_in_flight: 8\nsteps: [{start_time: 0s, rate: 200}]\nduration: 30s\n")
    load = ("--headless", "--load-profile", profile, "--tags", "read", "-H", target.url)
    with Locust(*load, files=yours("shop", SHAPE)) as locust:
        page = locust.until(lambda page: page.total("locust_requests_total") > 400, "two seconds of the rate")
    assert names(page) == {"/catalogue", "/catalogue (editor)"}
    assert page.value("locust_requests_total", name="/catalogue") / page.total("locust_requests_total") == pytest.approx(0.75, abs=0.09)


def test_a_client_that_shows_no_start_of_a_request_has_no_figure_of_what_is_in_flight():
    with Locust(*HEADLESS, "-u", 3, "-r", 3, files=yours("broker")) as locust:
        page = locust.until(lambda page: page.total("locust_requests_total") > 20, "messages")
    assert page.value("locust_request_duration_seconds_bucket", name="publish", method="MQTT", le="0.005") == 0
    for unknown in ("in_flight", "in_flight_age", "in_flight_oldest_seconds", "abandoned_total"):
        assert not page.values(f"locust_requests_{unknown}")
    assert not page.values("locust_users_starved")


@pytest.mark.parametrize(("seen", "starved"), [("measured", [1]), ("fired", [])])
def test_users_of_which_only_some_are_seen_waiting_have_no_figure_of_those_that_starve(target, seen, starved):
    load = ("--headless", "-u", 2, "-r", 2, "--tags", "web", seen, "-H", target.url)
    with Locust(*load, files=yours("half_seen"), FIREDRILL_STARVATION_SECONDS="0.5") as locust:
        page = locust.until(lambda page: page.total("locust_requests_total") > 14, "requests for longer than who waits starves")
    assert page.values("locust_users_starved") == starved
    assert page.values("locust_requests_abandoned_total") == [0, 0]


def test_users_that_turn_to_another_host_go_on_counting(target):
    with Target() as other, Locust(*HEADLESS, "-u", 2, "-r", 2, "-H", target.url, files=yours("moving"), OTHER_HOST=other.url) as locust:
        poll_until(lambda: other.received > 5, "requests to the other host")
        page = locust.until(lambda page: page.value("locust_requests_total", name="/orders") > 11, "them to be counted")
    assert target.received == 6
    assert page.total("locust_request_failures_total") == 0


def test_fifty_thousand_names_are_folded_and_not_one_request_is_lost():
    # Locust's own table of so many rows, printed every two seconds, would stop it for seconds.
    with Locust(*HEADLESS, "--only-summary", "-u", 1, files=yours("namer")) as locust:
        page = locust.until(lambda page: page.total("locust_requests_total") == 50_004, "all to be named", 40)
    assert page.value("locust_requests_untimed_total", method="GET", name="other") == 3
    assert len(names(page)) == 201  # 200 and `other`
    assert page.value("locust_exporter_folded_names") == 50_004 - 200
    assert page.value("locust_request_duration_seconds_bucket", method="GET", name="other", le="0.005") == 50_000 - 200
    assert len(page.text) < 1_000_000
