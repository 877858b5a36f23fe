"""The samples that Prometheus writes for a recording rule, evaluation by evaluation.

It follows rules/recording.go and rules/manager.go of Prometheus (2.42, the same in 3.x). The rule's
labels replace the element's. An evaluation fails and writes nothing if two elements become one
series, or if there are more than the group's limit. A series of the previous evaluation that is
missing gets a stale marker.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firedrill.alerts.replay.alert_state import CLASH, FAILED, OVER_LIMIT
from firedrill.prometheus import remote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from firedrill.alerts.replay.alert_state import Labels
    from firedrill.alerts.rules.rule_file import Rule

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""Prometheus's stale marker: the value of a series that has ended."""


@dataclass(slots=True)
class Recorder:
    """The series of one recording rule; feed it every evaluation, in order."""

    rule: Rule
    limit: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    """The reason of each failed evaluation, by its time."""
    _previous: set[Labels] = field(default_factory=set)

    def record(self, time_ms: int, vector: Mapping[Labels, float] | None) -> dict[Labels, float]:
        """Return what is written at an evaluation, by the series' labels with `__name__`.

        `vector` is None if the expression failed.
        """
        written = {self._labels(labels): value for labels, value in (vector or {}).items()}
        if failure := self._failure(vector, len(written)):
            self.failures[time_ms] = failure
            return {}
        ended = dict.fromkeys(self._previous - written.keys(), STALE)
        self._previous = set(written)
        return written | ended

    def _failure(self, vector: Mapping[Labels, float] | None, series: int) -> str | None:
        if vector is None:
            return FAILED
        if series < len(vector):
            return CLASH
        return OVER_LIMIT.format(series, self.limit) if 0 < self.limit < series else None

    def _labels(self, labels: Labels) -> Labels:
        merged = {**dict(labels), **self.rule.labels, "__name__": self.rule.name}
        return tuple(sorted((name, text) for name, text in merged.items() if text))


def as_series(written: Iterable[tuple[int, Mapping[Labels, float]]]) -> list[Any]:
    """Return samples as prompb TimeSeries; of two at one time in one series, the first counts."""
    points: dict[Labels, dict[int, float]] = {}
    for time_ms, samples in written:
        for labels, value in samples.items():
            points.setdefault(labels, {}).setdefault(time_ms, value)
    return [_series(labels, values) for labels, values in points.items()]


def _series(labels: Labels, points: Mapping[int, float]) -> Any:
    series = remote.series(dict(labels))
    for time_ms in sorted(points):
        series.samples.add(value=points[time_ms], timestamp=time_ms)
    return series
