"""Counting from raw samples: exact, whatever the counter did meanwhile."""

import pytest

from firedrill.drill.figures import Window
from firedrill.drill.measure import Measurement, increase, judged
from firedrill.profile import load_profile
from firedrill.prom import Series, step_of


class Recorded:
    """Answers queries for raw samples from what was recorded, and none of the others."""

    def __init__(self, **points):
        self._points = points

    def raw(self, selector, start, end):
        points = [(time, value) for time, value in self._points.get(selector, ()) if start < time <= end]
        return [Series({}, tuple(points))] if points else []

    def instant(self, _query, _time):
        return []

    def range(self, query, start, end):
        step = step_of(start, end)
        points = [(start + at * step, 1.0) for at in range(3)]
        return [Series({"reason": "generator_cpu"}, tuple(points))] if "run_invalid_reason" in query else []

    def number(self, _query, _time):
        return None


def figures(seconds, **points):
    window = Window(100, 100 + seconds)
    return Measurement(Recorded(**points), load_profile("simple"), "run", window, knows_think_time=True).figures(())


def test_the_share_of_errors_is_of_what_was_counted_and_those_that_came_after_the_end_are_in_it():
    """rate() would be told of neither the last scrape nor, of a counter that begins at zero, of the first."""
    requests, failures = [(100 + at, at * 10) for at in range(21)], [(100 + at, at) for at in range(20)]
    share = figures(20, locust_requests_total=requests, locust_request_failures_total=[*failures, (121, 22)]).client.error_ratio
    assert share == 22 / 200


def test_the_achieved_rate_is_what_was_counted_by_the_seconds_and_unknown_where_nothing_counts():
    """Scrapes do not fall on the ends of the window: 200 requests were answered in 20 s, none of them in the first half second."""
    requests = [(100.4 + at, min(200.0, at * 12)) for at in range(23)]
    assert figures(20, locust_requests_total=requests).client.rate == 10
    assert figures(20).client.rate is None


@pytest.mark.parametrize(
    ("points", "gained"),
    [
        ([(8, 5.0), (9, 5.0), (11, 9.0), (12, 12.0)], 7.0),
        ([(11, 4.0), (12, 6.0)], 6.0),
        ([(9, 5.0), (11, 8.0), (12, 2.0), (13, 3.0)], 6.0),
        ([(9, 5.0)], 0.0),
    ],
    ids=["since the last sample before", "from zero where it is new", "anew where the process started anew", "nothing since"],
)
def test_what_a_counter_gained_since_a_time(points, gained):
    assert increase(Series({}, tuple(points)), since=10) == gained


def test_the_warm_up_is_not_judged_unless_there_is_nothing_else():
    assert judged(Window(100, 160), warmup_seconds=30) == Window(130, 160)
    assert judged(Window(100, 115), warmup_seconds=30) == Window(100, 115)


@pytest.mark.parametrize(("seconds", "broken"), [(3600, 3.0), (12 * 3600, 12.0)])
def test_a_condition_is_broken_for_as_long_in_a_run_of_hours(seconds, broken):
    """Of twelve hours, Prometheus gives a point every four seconds."""
    assert figures(seconds).invalid == {"generator_cpu": broken}


def test_the_last_step_ends_with_the_run_and_has_what_was_answered_after_it():
    slow = [(at, float(at >= 108)) for at in range(100, 112)]
    (step,) = figures(7.5, locust_requests_total=slow, locust_request_failures_total=slow).steps
    assert (step.start_seconds, step.end_seconds) == (0, 7.5)
    assert step.client.error_ratio == 1


def invalid(**points):
    return Measurement(Recorded(**points), load_profile("simple"), "run", Window(100, 120), knows_think_time=True)._invalid()


def test_what_an_earlier_load_of_the_same_locust_missed_does_not_void_this_one():
    intervals = [(99, 1000.0), (120, 2000.0)]
    clean = invalid(locust_pacing_intervals_total=intervals, locust_pacing_missed_total=[(99, 900.0), (120, 905.0)])
    assert "pacing_missed" not in clean


def test_what_this_load_missed_voids_it_however_much_an_earlier_one_kept():
    offered, unsent = [(99, 100_000.0), (120, 101_000.0)], [(99, 0.0), (120, 11.0)]
    assert invalid(locust_arrivals_offered_total=offered, locust_arrivals_unsent_total=unsent)["arrivals_unsent"] == 20
    few = invalid(locust_pacing_intervals_total=[(99, 0.0), (120, 99.0)], locust_pacing_missed_total=[(99, 0.0), (120, 9.0)])
    assert "pacing_missed" not in few
