"""What Prometheus makes of a recording rule's expression, evaluation by evaluation. Pure.

The rules are those of rules/recording.go and rules/manager.go (2.42, the same in 3.x): the rule's labels go over the element's own; an
evaluation fails, writing nothing, where two elements become one series or more are given than the group's limit; a series that was there
the evaluation before is marked as ended.
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
"""Prometheus's mark for a series that has ended."""


@dataclass(slots=True)
class Recorder:
    """One recording rule. Feed it every evaluation, in order."""

    rule: Rule
    limit: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    """Why which evaluation failed."""
    _before: set[Labels] = field(default_factory=set)

    def record(self, time_ms: int, vector: Mapping[Labels, float] | None) -> dict[Labels, float]:
        """What is written at this time, by the series' labels, its name among them; `vector` is None if the expression failed."""
        written = {self._name(labels): value for labels, value in (vector or {}).items()}
        if failure := self._failure(vector, len(written)):
            self.failures[time_ms] = failure
            return {}
        ended = dict.fromkeys(self._before - written.keys(), STALE)
        self._before = set(written)
        return written | ended

    def _failure(self, vector: Mapping[Labels, float] | None, series: int) -> str | None:
        if vector is None:
            return FAILED
        if series < len(vector):
            return CLASH
        return OVER_LIMIT.format(series, self.limit) if 0 < self.limit < series else None

    def _name(self, labels: Labels) -> Labels:
        merged = {**dict(labels), **self.rule.labels, "__name__": self.rule.name}
        return tuple(sorted((name, text) for name, text in merged.items() if text))


def as_series(written: Iterable[tuple[int, Mapping[Labels, float]]]) -> list[Any]:
    """What was written at some times as prompb TimeSeries. Of two rules that write one series at one time, the first has it."""
    series: dict[Labels, dict[int, float]] = {}
    for time_ms, samples in written:
        for labels, value in samples.items():
            series.setdefault(labels, {}).setdefault(time_ms, value)
    return [_as_one(labels, points) for labels, points in series.items()]


def _as_one(labels: Labels, points: Mapping[int, float]) -> Any:
    made = remote.series(dict(labels))
    for time_ms in sorted(points):
        made.samples.add(value=points[time_ms], timestamp=time_ms)
    return made
