"""A recorded run in slow motion: one drill second becomes K seconds, so that production rules can be replayed on it unchanged.

Timestamps are multiplied, and so is what counts: counters, buckets, sums. A rate over 60 s of the drill is then the rate over K x 60 s.
Samples travel by remote read and remote write, which keep stale markers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firedrill.prometheus import remote

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTS = ("_total", "_bucket", "_count", "_sum")
"""How names of series that count end."""
MOMENTS = ("_time_seconds", "_timestamp_seconds")
"""How names of series end whose values are Unix times."""

MARGIN_SECONDS = 60.0
"""What was recorded so long before and after the load belongs to the run."""

SLICE_SECONDS = 600.0
"""So much recorded time is copied at once."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Recorded time made replayed time: the anchor stays where it is, everything before it moves away from it."""

    factor: int
    anchor_ms: int
    """The end of the load: nothing of a run comes to lie in the future, where Prometheus would refuse it."""
    shift_ms: int = 0

    def ms(self, recorded_ms: int) -> int:
        """Where a moment comes to lie."""
        return self.anchor_ms - (self.anchor_ms - recorded_ms) * self.factor + self.shift_ms

    def seconds(self, recorded: float) -> float:
        """The same in Unix seconds."""
        return self.ms(round(recorded * 1000)) / 1000


def copy(
    source_url: str,
    target_url: str,
    span: tuple[float, float],
    clock: Clock,
    without: frozenset[str],
) -> None:
    """Copy the samples of a span of recorded time (Unix seconds) by a clock; series of some names are left out."""
    for start, end in _slices(*span):
        series = [one for one in remote.read(source_url, start, end) if _name(one) not in without]
        for one in series:
            stretch(one, clock)
        remote.write(target_url, series)


def _slices(start: float, end: float) -> Iterator[tuple[float, float]]:
    while start < end:
        yield start, min(start + SLICE_SECONDS, end) - 0.001
        start += SLICE_SECONDS


def _name(series: Any) -> str:
    return next((str(label.value) for label in series.labels if label.name == "__name__"), "")


def stretch(series: Any, clock: Clock) -> None:
    """Move the samples of a prompb TimeSeries, and multiply what counts."""
    name = _name(series)
    counts, moments = name.endswith(COUNTS), name.endswith(MOMENTS)
    for sample in series.samples:
        sample.timestamp = clock.ms(sample.timestamp)
        if math.isnan(sample.value):
            continue  # a stale marker is a NaN of a certain kind, and has to stay as it is
        if counts:
            sample.value *= clock.factor
        elif moments:
            sample.value = clock.seconds(sample.value)
