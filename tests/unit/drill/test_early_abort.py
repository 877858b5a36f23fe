"""A run is ended early once no remaining request can save it."""

from dataclasses import replace
from math import inf

import pytest

from firedrill.drill.play.early_abort import (
    AbortWatch,
    ObservedRequests,
    broken_objective,
    load_of,
    most_to_come,
    observed_requests,
)
from firedrill.profile import Slo, Step, load_profile
from firedrill.prometheus.client import Sample
from firedrill.record.outcome import EarlyAbort

SLO = Slo({"p99": 0.25}, error_ratio=0.01, starved_users=0)


@pytest.mark.parametrize(
    ("slow", "failed", "to_come", "objective"),
    [
        (10, 0, 0, None),
        (11, 0, 0, "p99"),
        (11, 0, 100, None),
        (12, 0, 100, "p99"),
        (0, 10, 0, None),
        (0, 11, 0, "errors"),
        (0, 11, 500, None),
        (1000, 1000, inf, None),
    ],
)
def test_a_run_is_lost_when_perfect_requests_cannot_save_it(slow, failed, to_come, objective):
    assert (
        broken_objective(SLO, ObservedRequests(1000, failed, {"p99": slow}), to_come) == objective
    )


def test_an_objective_that_is_not_judged_is_never_broken():
    assert broken_objective(Slo(), ObservedRequests(1000, 1000, {}), 0) is None


@pytest.mark.parametrize(
    ("name", "after", "end", "requests"),
    [
        # One for each user, and a load that ends two seconds late.
        ("open", 0, 50, 200 + 20 * 15 + 50 * 20 + 20 * 17),
        ("open", 30, 50, 200 + 50 * 5 + 20 * 17),
        ("open", 30, 40, 200 + 50 * 5 + 20 * 7),
        ("open", 50, 50, 200 + 20 * 2),
        # Its user thinks for half a second at least.
        ("simple", 10, 30, 1 + 2 * 22),
        ("breakpoint", 10, None, inf),
        ("breakpoint", 5, 15, 500 + 20 * 5 + 40 * 7),
    ],
)
def test_requests_to_come_are_bounded_by_the_profile(name, after, end, requests):
    assert most_to_come(load_profile(name), after, end) == pytest.approx(requests)


def test_users_that_stop_late_go_on_asking():
    slow_end = replace(
        load_profile("simple"),
        steps=(Step(0, 100, 100), Step(10, 10, 1)),
        duration_seconds=40,
        think_time_seconds=(1, 2),
    )
    assert most_to_come(slow_end, 10, 40) == pytest.approx(100 + 100 * 32)
    assert most_to_come(slow_end, 30, 40) == pytest.approx(100 + 82 * 12)


def test_the_breaking_point_is_a_sentence():
    steps = list(zip(load_profile("breakpoint").all_steps(), range(3), strict=False))
    loads = [load_of(step) for step, _ in steps]
    assert loads == ["20/s", "40/s", "60/s"]
    assert load_of(Step(0, 40, 10)) == "40 users"
    text = EarlyAbort(
        objective="p99", after_seconds=26.0, step=2, load=loads[2], held=loads[1]
    ).text()
    assert (
        text == "the SLO (p99) broke at 60/s (step 2, 26 s after the start), so the load ended; "
        "the SLO held at 40/s"
    )


def test_the_breaking_point_is_where_the_first_bad_seconds_began():
    """Steps change every 10 s: what was seen at 31 s began at 26 s."""
    watch = AbortWatch(load_profile("breakpoint"), None, knows_requests=True)
    assert watch._broken_after(None, 30.0) is None
    assert watch._broken_after("p99", 31.0) is None
    abort = watch._abort("p99", watch._broken_after("p99", 36.0))
    assert (abort.after_seconds, abort.step, abort.load, abort.held) == (26.0, 2, "60/s", "40/s")


class Counters:
    """A Prometheus that knows what each query gives at 100 s; before, everything was zero."""

    def __init__(self, **now):
        self._now = now

    def instant(self, query, time):
        name = query.partition(") (")[2].rstrip(")")
        buckets = self._now.get(name, {}) if time == 100 else {}
        return [Sample({"le": le} if le else {}, time, value) for le, value in buckets.items()]


def of(name, **at):
    return {name: at}


def test_an_open_loop_counts_dropped_and_abandoned_requests():
    """The observed requests are the answered, the waiting, the dropped and the abandoned ones.

    80 were answered, half of them within 0.5 s. 6 wait, 4 of them for more than 0.5 s. 10 were
    dropped. 5 were abandoned, one of them within 1 s.
    """
    ages = (
        of("locust_all_response_time_from_schedule_seconds_bucket", **{"0.5": 40.0, "+Inf": 80.0}),
        of("locust_arrivals_waiting_age", **{"0.5": 2.0, "+Inf": 6.0}),
        of("locust_requests_abandoned_age_seconds_bucket", **{"0.5": 0.0, "1.0": 1.0, "+Inf": 5.0}),
    )
    counted = {
        "locust_arrivals_unsent_total": {"": 10.0},
        "locust_all_request_failures_total": {"": 3.0},
    }
    prom = Counters(
        **{name: value for samples in (*ages, counted) for name, value in samples.items()}
    )
    profile = replace(load_profile("open"), slo=Slo({"p99": 0.5}))
    assert observed_requests(profile, prom, 0, 100) == ObservedRequests(101, 3, {"p99": 59}), (
        "who was given up may prove to have been only slow"
    )
