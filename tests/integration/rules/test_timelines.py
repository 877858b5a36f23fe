"""A replay finds the evaluation times of groups whose interval was edited since."""

import time

import pytest

from firedrill.alerts.replay.evaluation_times import EVALUATION_MARKER
from firedrill.alerts.replay.timeline import UNKNOWN_LAG_MS, Lag, Timeline
from firedrill.alerts.rules.rule_file import Group, Rule
from firedrill.interrupt import Interrupt
from firedrill.prometheus import remote
from firedrill.prometheus.recorded_data import RecordedPrometheus
from tests import required_programs

SECONDS = 60
TOOK_MS = 40
SCRAPED_AFTER_MS = 500


def group(interval_ms):
    mark = Rule(
        EVALUATION_MARKER,
        "vector(1)",
        is_alert=False,
        place="rules/r.yml:3",
        expr_place="rules/r.yml:3",
        labels={"group": "g"},
        annotations={},
    )
    return Group(name="g", place="rules/r.yml:1", interval_ms=interval_ms, limit=0, rules=(mark,))


@pytest.fixture(scope="module")
def prom():
    """Run a Prometheus with series that say that it evaluated the group each second."""
    required_programs.require("prometheus")
    start_ms = (round(time.time()) - SECONDS - 10) * 1000
    said = [
        (remote.series({"__name__": EVALUATION_MARKER, "group": "g"}), 0, lambda _: 1),
        (
            _of_last("evaluation_timestamp_seconds"),
            SCRAPED_AFTER_MS,
            lambda time_ms: time_ms / 1000,
        ),
        # No two evaluations take as long to the nanosecond.
        (
            _of_last("duration_seconds"),
            SCRAPED_AFTER_MS,
            lambda time_ms: TOOK_MS / 1000 + (time_ms - start_ms) * 1e-9,
        ),
    ]
    for series, after_ms, value in said:
        for time_ms in range(start_ms, start_ms + SECONDS * 1000, 1000):
            series.samples.add(timestamp=time_ms + after_ms, value=value(time_ms))
    with Interrupt() as interrupt, RecordedPrometheus(None, interrupt) as reopened:
        remote.write(reopened.prom.url, [series for series, *_ in said])
        yield reopened.prom, (start_ms, start_ms + (SECONDS - 1) * 1000)


def _of_last(what):
    return remote.series(
        {"__name__": f"prometheus_rule_group_last_{what}", "rule_group": "rules/r.yml;g"}
    )


@pytest.mark.parametrize(
    ("interval_ms", "lags"),
    [(1_000, {TOOK_MS}), (5_000, {UNKNOWN_LAG_MS}), (3_600_000_000, set())],
    ids=["as it was", "edited", "too long for the run"],
)
def test_recorded_evaluation_lags_apply_only_to_the_recorded_interval(prom, interval_ms, lags):
    source, span_ms = prom
    asked = group(interval_ms)
    assert set(Timeline(source, span_ms, 1, [asked], [group(1_000)]).lags_ms(asked)) == {
        Lag(lag, lag) for lag in lags
    }
