"""A recorded run stretched in time, so that production rules can be replayed on it unchanged.

One recorded second becomes K seconds. Timestamps are multiplied, and so are counters, buckets and
sums: a rate over 60 s of the drill is then the rate over K x 60 s. Samples are copied by remote
read and remote write, which keep stale markers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firedrill.prometheus import remote

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTER_SUFFIXES = ("_total", "_bucket", "_count", "_sum")
TIMESTAMP_SUFFIXES = ("_time_seconds", "_timestamp_seconds")
"""Name endings of series whose values are Unix times."""

MARGIN_SECONDS = 60.0
"""Samples recorded so long before and after the load belong to the run."""

SLICE_SECONDS = 600.0
"""Recorded time that is copied at once."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Turns recorded time into replayed time: the anchor stays, earlier times move away from it."""

    factor: int
    anchor_ms: int
    """The end of the load. Nothing gets a time in the future, which Prometheus would refuse."""
    shift_ms: int = 0

    def ms(self, recorded_ms: int) -> int:
        """Return the replayed time of a recorded time, in Unix milliseconds."""
        return self.anchor_ms - (self.anchor_ms - recorded_ms) * self.factor + self.shift_ms

    def seconds(self, recorded: float) -> float:
        """Return the replayed time of a recorded time, in Unix seconds."""
        return self.ms(round(recorded * 1000)) / 1000


def copy(
    source_url: str,
    target_url: str,
    span: tuple[float, float],
    clock: Clock,
    without: frozenset[str],
) -> None:
    """Copy samples from one Prometheus to another, stretched.

    Args:
        source_url: The Prometheus that has the samples.
        target_url: The Prometheus that gets them.
        span: Start and end of the recorded time, in Unix seconds.
        clock: How times are stretched.
        without: Names of series that are left out.
    """
    for start, end in _slices(*span):
        copied = [
            series for series in remote.read(source_url, start, end) if _name(series) not in without
        ]
        for series in copied:
            stretch(series, clock)
        remote.write(target_url, copied)


def _slices(start: float, end: float) -> Iterator[tuple[float, float]]:
    while start < end:
        yield start, min(start + SLICE_SECONDS, end) - 0.001
        start += SLICE_SECONDS


def _name(series: Any) -> str:
    return next((str(label.value) for label in series.labels if label.name == "__name__"), "")


def stretch(series: Any, clock: Clock) -> None:
    """Move the samples of a prompb TimeSeries, and multiply its values if it counts."""
    name = _name(series)
    is_counter = name.endswith(COUNTER_SUFFIXES)
    is_timestamp = name.endswith(TIMESTAMP_SUFFIXES)
    for sample in series.samples:
        sample.timestamp = clock.ms(sample.timestamp)
        if math.isnan(sample.value):
            continue  # A stale marker is a certain kind of NaN, and has to stay as it is.
        if is_counter:
            sample.value *= clock.factor
        elif is_timestamp:
            sample.value = clock.seconds(sample.value)
