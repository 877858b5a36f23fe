"""Histograms of seconds on the contract's bounds: a frozen one, and one that grows."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from firedrill.contract import ENDPOINT_BOUNDS_SECONDS, LATENCY_BOUNDS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_BUCKETS = len(LATENCY_BOUNDS_SECONDS) + 1
_ENDPOINT_BUCKETS = len(ENDPOINT_BOUNDS_SECONDS) + 1


@dataclass(frozen=True, slots=True)
class LatencyHistogram:
    """Durations by bucket at one moment, such as the ages of the requests in flight."""

    counts: tuple[int, ...] = (0,) * _BUCKETS
    """Durations by bucket, not cumulative; the last bucket is +Inf."""
    seconds: float = 0.0
    """Sum of the durations."""

    def __post_init__(self) -> None:
        """Raise ValueError for counts on other bounds, which another version may send."""
        if len(self.counts) not in {_BUCKETS, _ENDPOINT_BUCKETS}:
            raise ValueError(
                f"{len(self.counts)} buckets; expected {_BUCKETS} or {_ENDPOINT_BUCKETS}"
            )

    @classmethod
    def of(cls, durations_seconds: Iterable[float]) -> LatencyHistogram:
        """Return the histogram of these durations."""
        histogram = GrowingHistogram()
        for seconds in durations_seconds:
            histogram.observe(seconds)
        return histogram.snapshot()

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> LatencyHistogram:
        """Return the histogram in a message, where its counts are a list."""
        return cls(tuple(message["counts"]), message["seconds"])

    def __add__(self, other: LatencyHistogram) -> LatencyHistogram:
        return LatencyHistogram(
            tuple(mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)),
            self.seconds + other.seconds,
        )

    def cumulative(self) -> tuple[int, ...]:
        """Return the number of durations up to each bound; the last is the number of all."""
        return tuple(accumulate(self.counts))


class GrowingHistogram:
    """A histogram that durations are added to."""

    def __init__(self, bounds_seconds: Sequence[float] = LATENCY_BOUNDS_SECONDS) -> None:
        self._bounds = bounds_seconds
        self._counts = [0] * (len(bounds_seconds) + 1)
        self._seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._seconds += seconds

    def add(self, other: LatencyHistogram) -> None:
        """Count all durations of another histogram."""
        self._counts = [
            mine + theirs for mine, theirs in zip(self._counts, other.counts, strict=True)
        ]
        self._seconds += other.seconds

    @property
    def total(self) -> int:
        """The number of durations."""
        return sum(self._counts)

    def snapshot(self) -> LatencyHistogram:
        """Return the histogram of this moment."""
        return LatencyHistogram(tuple(self._counts), self._seconds)

    def to_message(self) -> tuple[list[int], float]:
        """Return counts and sum as plain values."""
        return list(self._counts), self._seconds
