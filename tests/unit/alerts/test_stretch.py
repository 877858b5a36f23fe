"""Stretching recorded time multiplies timestamps and counters, and nothing else."""

import math

from firedrill.alerts.replay.recording_rules import STALE
from firedrill.alerts.scaling.stretch import Clock, stretch
from firedrill.prometheus import remote


def stretched(name, *samples):
    series = remote.series({"__name__": name, "empty": ""})
    for timestamp, value in samples:
        series.samples.add(timestamp=timestamp, value=value)
    stretch(series, Clock(factor=12, anchor_ms=100_000))
    return [(sample.timestamp, sample.value) for sample in series.samples]


def test_stretching_multiplies_only_times_and_counters():
    assert stretched("a_total", (99_000, 5), (100_000, 7)) == [(88_000, 60), (100_000, 84)]
    assert stretched("a_seconds", (101_000, 5)) == [(112_000, 5)]
    assert stretched("test_start_time_seconds", (99_000, 98.0)) == [(88_000, 76.0)]


def test_stretching_keeps_stale_markers():
    series = remote.series({"__name__": "a_total"})
    series.samples.add(timestamp=99_000, value=STALE)
    before = series.SerializeToString()
    stretch(series, Clock(factor=1, anchor_ms=100_000))
    assert math.isnan(series.samples[0].value)
    assert series.SerializeToString() == before
