"""Counts from raw samples are exact, whatever the counter did meanwhile."""

import math
from dataclasses import replace

import pytest

from firedrill import histogram
from firedrill.drill.measure.client_figures import lower_bounds
from firedrill.drill.measure.measurement import Measurement, without_warmup
from firedrill.drill.measure.run_queries import increase
from firedrill.profile import Slo, load_profile
from firedrill.prometheus.client import Series, step_of
from firedrill.record.figures import Window


class Recorded:
    """Answers queries for raw samples from what was recorded, and none of the others."""

    def __init__(self, **points):
        self._points = points

    def raw(self, selector, start, end):
        points = [
            (time, value) for time, value in self._points.get(selector, ()) if start < time <= end
        ]
        return [Series({}, tuple(points))] if points else []

    def instant(self, _query, _time):
        return []

    def range(self, query, start, end):
        step = step_of(start, end)
        points = [(start + at * step, 1.0) for at in range(3)]
        return (
            [Series({"reason": "generator_cpu"}, tuple(points))]
            if "run_invalid_reason" in query
            else []
        )

    def number(self, _query, _time):
        return None


def figures(seconds, **points):
    window = Window(100, 100 + seconds)
    return Measurement(
        prom=Recorded(**points),
        profile=load_profile("simple"),
        run_id="run",
        window=window,
        knows_think_time=True,
    ).figures(())


def test_the_error_share_includes_late_errors():
    """rate() misses the last scrape, and the first scrape of a counter that begins at zero."""
    requests, failures = (
        [(100 + at, at * 10) for at in range(21)],
        [(100 + at, at) for at in range(20)],
    )
    share = figures(
        20,
        locust_all_requests_total=requests,
        locust_all_request_failures_total=[*failures, (121, 22)],
    ).client.error_ratio
    assert share == 22 / 200


def test_the_achieved_rate_is_requests_by_seconds():
    """200 requests were answered in 20 s, none of them in the first half second.

    Scrapes do not fall on the ends of the window.
    """
    requests = [(100.4 + at, min(200.0, at * 12)) for at in range(23)]
    assert figures(20, locust_all_requests_total=requests).client.rate == 10
    assert figures(20).client.rate is None


@pytest.mark.parametrize(
    ("points", "gained"),
    [
        ([(8, 5.0), (9, 5.0), (11, 9.0), (12, 12.0)], 7.0),
        ([(11, 4.0), (12, 6.0)], 6.0),
        ([(9, 5.0), (11, 8.0), (12, 2.0), (13, 3.0)], 6.0),
        ([(9, 5.0)], 0.0),
    ],
    ids=[
        "since the last sample before",
        "from zero where it is new",
        "anew where the process started anew",
        "nothing since",
    ],
)
def test_the_gain_of_a_counter_is_measured_since_a_time(points, gained):
    assert increase(Series({}, tuple(points)), since=10) == gained


def test_a_scrape_that_outlasts_the_start_takes_no_request_away():
    """The scrape began 0.4 s before the load, but its response counts ten requests of the load."""
    requests = [(98.6, 30.0), (99.6, 40.0), (100.6, 50.0), (121, 130.0)]
    assert figures(20, locust_requests_total=requests).counts.client_requests == 100


def test_the_warm_up_is_judged_only_where_nothing_else_exists():
    assert without_warmup(Window(100, 160), warmup_seconds=30) == Window(130, 160)
    assert without_warmup(Window(100, 115), warmup_seconds=30) == Window(100, 115)


@pytest.mark.parametrize(("seconds", "broken"), [(3600, 3.0), (12 * 3600, 12.0)])
def test_a_long_run_keeps_the_limits_of_a_short_one(seconds, broken):
    """Prometheus gives a point every four seconds of a run of twelve hours."""
    assert figures(seconds).invalid == {"generator_cpu": broken}


def test_the_last_step_includes_requests_answered_late():
    slow = [(at, float(at >= 108)) for at in range(100, 112)]
    (step,) = figures(
        7.5, locust_all_requests_total=slow, locust_all_request_failures_total=slow
    ).steps
    assert (step.start_seconds, step.end_seconds) == (0, 7.5)
    assert step.client.error_ratio == 1


def invalid(**points):
    return (
        Measurement(
            prom=Recorded(**points),
            profile=load_profile("simple"),
            run_id="run",
            window=Window(100, 120),
            knows_think_time=True,
        )
        .figures(())
        .invalid
    )


def test_faults_of_an_earlier_load_do_not_void_this_one():
    intervals = [(99, 1000.0), (120, 2000.0)]
    clean = invalid(
        locust_pacing_intervals_total=intervals,
        locust_pacing_missed_total=[(99, 900.0), (120, 905.0)],
    )
    assert "pacing_missed" not in clean


def test_good_counts_of_an_earlier_load_excuse_nothing():
    intervals, missed = [(99, 100_000.0), (120, 101_000.0)], [(99, 0.0), (120, 11.0)]
    assert (
        invalid(locust_pacing_intervals_total=intervals, locust_pacing_missed_total=missed)[
            "pacing_missed"
        ]
        == 20
    )
    few = invalid(
        locust_pacing_intervals_total=[(99, 0.0), (120, 99.0)],
        locust_pacing_missed_total=[(99, 0.0), (120, 9.0)],
    )
    assert "pacing_missed" not in few


def of_open_loop(**points):
    return Measurement(
        prom=Recorded(**points),
        profile=load_profile("open"),
        run_id="run",
        window=Window(100, 120),
        knows_think_time=True,
    )


class Histograms(Recorded):
    """Series by `le`, of the names asked for."""

    def raw(self, selector, start, end):
        gained = self._points.get(selector, {})
        return (
            [Series({"le": le}, ((start, 0.0), (end, value))) for le, value in gained.items()]
            if isinstance(gained, dict)
            else []
        )


def test_abandoned_and_dropped_requests_are_in_the_percentiles():
    """900 requests were answered within 100 ms and 60 arrivals were dropped after 5 s.

    40 arrivals had waited for up to 250 ms when the load ended.
    """
    at = {"0.1": 900.0, "0.25": 900.0, "2.5": 900.0, "5.0": 900.0, "60.0": 900.0, "+Inf": 900.0}
    dropped = {"0.1": 0.0, "0.25": 0.0, "2.5": 0.0, "5.0": 60.0, "60.0": 60.0, "+Inf": 60.0}
    left = {"0.1": 0.0, "0.25": 40.0, "2.5": 40.0, "5.0": 40.0, "60.0": 40.0, "+Inf": 40.0}
    recorded = Histograms(
        locust_all_response_time_from_schedule_seconds_bucket=at,
        locust_arrivals_unsent_age_seconds_bucket=dropped,
        locust_arrivals_left_age_seconds_bucket=left,
        locust_arrivals_offered_total={"": 1000.0},
        locust_arrivals_started_total={"": 900.0},
        locust_arrivals_unsent_total={"": 60.0},
    )
    profile = replace(load_profile("open"), warmup_seconds=0, slo=Slo({"p95": 0.25, "p99": 5.0}))
    figures = Measurement(
        prom=recorded, profile=profile, run_id="run", window=Window(100, 120), knows_think_time=True
    ).figures(())
    assert figures.client.latency_including_waiting_seconds["p50"] == pytest.approx(0.1 * 500 / 900)
    assert 2.5 < figures.client.latency_including_waiting_seconds["p99"] < 5
    assert figures.client.at_least == ("p95", "p99", "p99.9")
    assert figures.client.slower_than_slo == pytest.approx({"p95": 0.06, "p99": 0.06})
    assert (figures.arrivals.unsent, figures.arrivals.left) == (60, 40)


NONE, HALF = {"0.1": 0.0, "2.5": 0.0, "60.0": 0.0}, {"0.1": 0.0, "2.5": 50.0, "60.0": 50.0}


@pytest.mark.parametrize(
    ("answered", "left", "at_least"),
    [
        ({"0.1": 100.0, "2.5": 100.0, "60.0": 100.0}, NONE, ()),
        ({"0.1": 0.0, "2.5": 0.0, "60.0": 100.0}, HALF, ("p50", "p90", "p95", "p99")),
        (NONE, HALF, ("p50", "p90", "p95", "p99")),
        ({"0.1": 2000.0, "2.5": 2000.0, "60.0": 2000.0}, HALF, ("p99", "p99.9")),
        ({"0.1": 100.0, "2.5": 100.0, "60.0": 100.0}, {"0.1": 3.0, "2.5": 3.0, "60.0": 3.0}, ()),
    ],
    ids=[
        "all answered",
        "a third waits, for less than those who were answered",
        "nobody answered",
        "2 % hang",
        "a few that a stop cut short",
    ],
)
def test_a_percentile_that_waiting_requests_could_raise_is_marked(answered, left, at_least):
    def at(buckets):
        return {float(le): count for le, count in buckets.items()} | {math.inf: buckets["60.0"]}

    seen, including = at(answered), histogram.merged(at(answered), at(left))
    assert lower_bounds(seen, including) == at_least


def test_requests_of_a_returned_worker_are_not_unsent():
    """It was given up with 12 of its arrivals; 5 of them it had begun and not told."""
    counted = {
        "locust_arrivals_offered_total": 1000.0,
        "locust_arrivals_started_total": 993.0,
        "locust_arrivals_unsent_total": 12.0,
    }
    arrivals = (
        of_open_loop(**{name: [(99, 0.0), (120, value)] for name, value in counted.items()})
        .figures(())
        .arrivals
    )
    assert (arrivals.started, arrivals.unsent) == (993, 7)


class Steered(Histograms):
    """A load whose users were asked for by the profile, or not, and of whom so many ran."""

    def __init__(self, users, **points):
        super().__init__(**points)
        self._users = users

    def range(self, query, start, end):
        return (
            [Series({}, ((start, 0.0), (end, self._users)))] if query == "sum(locust_users)" else []
        )


def test_steps_of_a_custom_shape_show_its_users():
    for points, measured in ({}, 3.0), ({"locust_load_step": {"": 0.0}}, None):
        measurement = Measurement(
            prom=Steered(3.0, **points),
            profile=load_profile("simple"),
            run_id="run",
            window=Window(100, 120),
            knows_think_time=False,
        )
        assert [(step.users, step.users_measured) for step in measurement.figures(()).steps] == [
            (1, measured)
        ]


def test_requests_that_hung_until_the_end_have_failed():
    """The end of the load gave up 40 requests, of which 10 had waited for at most a second."""
    ages = {"0.5": 4.0, "1.0": 10.0, "60.0": 40.0, "+Inf": 40.0}
    counted = {
        "locust_requests_total": {"": 170.0},
        "locust_request_failures_total": {"": 5.0},
        "locust_all_requests_total": {"": 170.0},
        "locust_all_request_failures_total": {"": 5.0},
        "locust_requests_abandoned_total": {"": 40.0},
    }
    recorded = Histograms(locust_requests_abandoned_age_seconds_bucket=ages, **counted)

    def measured(slo):
        profile = replace(load_profile("simple"), slo=slo)
        return Measurement(
            prom=recorded,
            profile=profile,
            run_id="run",
            window=Window(100, 120),
            knows_think_time=True,
        ).figures(())

    figures = measured(Slo({"p99": 0.5}))
    assert figures.honesty.hung == measured(None).honesty.hung == 30
    assert measured(Slo({"p50": 0.5, "p99": 60.0})).honesty.hung == 0, "which may take as long"
    assert figures.client.error_ratio == 35 / 200
    assert figures.counts.client_failures == 5, "what Locust counts stays what it is"


@pytest.mark.parametrize(
    ("answered", "hung"),
    [
        ({}, 30),
        ({"0.1": 130.0, "1.0": 130.0, "60.0": 130.0, "+Inf": 130.0}, 30),
        ({"0.1": 129.0, "1.0": 129.0, "7.5": 130.0, "60.0": 130.0, "+Inf": 130.0}, 6),
        ({"0.1": 129.0, "1.0": 129.0, "7.5": 129.0, "60.0": 129.0, "+Inf": 130.0}, 0),
    ],
    ids=["nothing", "all at once", "one in 6 s", "one in more than a minute"],
)
@pytest.mark.parametrize("profile", ["simple", "open"])
def test_a_request_that_waited_within_answered_times_is_slow(profile, answered, hung):
    """A stop cuts short requests that a slow API would have answered."""
    ages = {"0.1": 0.0, "1.0": 10.0, "7.5": 34.0, "60.0": 40.0, "+Inf": 40.0}
    name = (
        "locust_all_request_duration_seconds"
        if profile == "simple"
        else "locust_all_response_time_from_schedule_seconds"
    )
    counted = {
        "locust_all_requests_total": {"": 130.0},
        "locust_requests_abandoned_total": {"": 40.0},
    }
    recorded = Histograms(
        **{f"{name}_bucket": answered}, locust_requests_abandoned_age_seconds_bucket=ages, **counted
    )
    slow = replace(load_profile(profile), slo=Slo(error_ratio=0.01))
    figures = Measurement(
        prom=recorded, profile=slow, run_id="run", window=Window(100, 120), knows_think_time=True
    ).figures(())
    assert (figures.honesty.hung, figures.client.error_ratio) == (hung, hung / (130 + hung))


def test_exceptions_of_tasks_are_unknown_where_nobody_counts():
    assert figures(20, locust_user_exceptions_total=[(99, 2.0), (121, 9.0)]).honesty.exceptions == 7
    assert figures(20).honesty.exceptions is None


def test_lateness_scraped_after_the_load_still_counts():
    late = figures(
        20, locust_worker_loop_lag_seconds_total=[(99, 1.0), (121, 16.0)]
    ).honesty.generator_lag_ratio
    assert late == 15 / 20
    assert figures(20).honesty.generator_lag_ratio is None
