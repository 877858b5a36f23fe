"""Histograms of seconds on the contract's latency bounds: a frozen one, and one that grows."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from firedrill.contract import LATENCY_BOUNDS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BUCKETS = len(LATENCY_BOUNDS_SECONDS) + 1


@dataclass(frozen=True, slots=True)
class LatencyHistogram:
    """Durations by bucket at one moment, such as the ages of the requests in flight."""

    counts: tuple[int, ...] = (0,) * _BUCKETS
    """Durations by bucket, not cumulative; the last bucket is +Inf."""
    seconds: float = 0.0
    """Sum of the durations."""

    def __post_init__(self) -> None:
        """Raise ValueError for counts on other bounds, which another version may send."""
        if len(self.counts) != _BUCKETS:
            raise ValueError(f"{len(self.counts)} buckets; expected {_BUCKETS}")

    @classmethod
    def of(cls, durations_seconds: Iterable[float]) -> LatencyHistogram:
        """Return the histogram of these durations."""
        counts, total = [0] * _BUCKETS, 0.0
        for seconds in durations_seconds:
            counts[bisect_left(LATENCY_BOUNDS_SECONDS, seconds)] += 1
            total += seconds
        return cls(tuple(counts), total)

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

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(LATENCY_BOUNDS_SECONDS, seconds)] += 1
        self._seconds += seconds

    def add(self, other: LatencyHistogram) -> None:
        """Count all durations of another histogram."""
        for index, count in enumerate(other.counts):
            self._counts[index] += count
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
