"""How long requests have waited, as a histogram on the contract's bounds."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from firedrill.contract import LATENCY_BOUNDS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Ages:
    """Ages of requests by bucket."""

    counts: tuple[int, ...] = (0,) * (len(LATENCY_BOUNDS_SECONDS) + 1)
    """Not cumulative; the last one is +Inf's."""
    seconds: float = 0.0
    """Their sum."""

    def __post_init__(self) -> None:
        """Raises ValueError for counts on other bounds, which another version may send."""
        if len(self.counts) != len(LATENCY_BOUNDS_SECONDS) + 1:
            raise ValueError(
                f"{len(self.counts)} buckets; expected {len(LATENCY_BOUNDS_SECONDS) + 1}"
            )

    @classmethod
    def of(cls, ages_seconds: Iterable[float]) -> Ages:
        """The histogram of these ages."""
        counts, total = [0] * (len(LATENCY_BOUNDS_SECONDS) + 1), 0.0
        for age in ages_seconds:
            counts[bisect_left(LATENCY_BOUNDS_SECONDS, age)] += 1
            total += age
        return cls(tuple(counts), total)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Ages:
        """The histogram in a message, where its counts are a list."""
        return cls(tuple(message["counts"]), message["seconds"])

    def __add__(self, other: Ages) -> Ages:
        return Ages(
            tuple(mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)),
            self.seconds + other.seconds,
        )

    def cumulative(self) -> tuple[int, ...]:
        """Requests with an age up to each bound; the last one is all of them."""
        return tuple(accumulate(self.counts))


class Tally:
    """A histogram that grows."""

    def __init__(self) -> None:
        self._counts = [0] * (len(LATENCY_BOUNDS_SECONDS) + 1)
        self._seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(LATENCY_BOUNDS_SECONDS, seconds)] += 1
        self._seconds += seconds

    def add(self, ages: Ages) -> None:
        """Count all of these."""
        for index, count in enumerate(ages.counts):
            self._counts[index] += count
        self._seconds += ages.seconds

    @property
    def answers(self) -> int:
        """How many it counted."""
        return sum(self._counts)

    def ages(self) -> Ages:
        """What it holds now."""
        return Ages(tuple(self._counts), self._seconds)

    def to_message(self) -> tuple[list[int], float]:
        """Plain values."""
        return list(self._counts), self._seconds
