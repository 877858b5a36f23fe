"""When the arrivals of an open loop are due, whose they are, and which of them wait. Pure; times are seconds since the load began."""

from __future__ import annotations

import itertools
import random
import zlib
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from firedrill.profile import Profile


def schedule_of(profile: Profile) -> Iterator[float]:
    """Due times of all arrivals, in order: the same in every process and in every run of the profile."""
    poisson = profile.open_loop is not None and profile.open_loop.poisson
    gaps = poisson_gaps(zlib.crc32(profile.name.encode())) if poisson else even_gaps()
    rates = ((step.start_seconds, step.rate or 0.0) for step in profile.all_steps())
    due = due_seconds(rates, gaps)
    end = profile.duration_seconds
    return due if end is None else itertools.takewhile(lambda seconds: seconds < end, due)


def even_gaps() -> Iterator[float]:
    """A half, so that every span of a rate has its whole number of arrivals, then ones."""
    return itertools.chain([0.5], itertools.repeat(1.0))


def poisson_gaps(seed: int) -> Iterator[float]:
    """Exponential ones with a mean of 1."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    return (draw.expovariate(1.0) for _ in itertools.count())


def due_seconds(rates: Iterable[tuple[float, float]], gaps: Iterable[float]) -> Iterator[float]:
    """Times at which the rate, summed up since the start, has grown by each gap.

    Args:
        rates: (start, arrivals a second from then on), in order and from 0 on; the last one holds for ever.
        gaps: Between the arrivals, in units of the mean gap.
    """
    spans = itertools.pairwise(itertools.chain(rates, [(float("inf"), 0.0)]))
    now, rate, end = 0.0, 0.0, 0.0
    for gap in gaps:
        needed = gap
        while needed > (room := (end - now) * rate if rate else 0.0):
            needed -= room
            span = next(spans, None)
            if span is None:
                return
            (now, rate), (end, _) = span
        now += needed / rate
        yield now


@dataclass(frozen=True, slots=True)
class Share:
    """Of the arrivals that are due from `from_seconds` on, counted from 0: number `index`, and every `of`-th after it."""

    from_seconds: float
    index: int
    of: int


class Part:
    """One process's part of a schedule. Nothing is its own before a share is assigned."""

    def __init__(self, schedule: Iterator[float]) -> None:
        self._numbered = enumerate(schedule)
        self._next = next(self._numbered, None)
        self._shares: list[Share] = []

    def assign(self, share: Share) -> None:
        """From its time on this share holds, instead of the one before it."""
        self._shares.append(share)

    def until(self, seconds: float) -> Iterator[float]:
        """Due times of the arrivals of this part, from where the last call ended."""
        while self._next and self._next[1] <= seconds:
            (number, due), self._next = self._next, next(self._numbered, None)
            if self._has(number, due):
                yield due

    def _has(self, number: int, due: float) -> bool:
        share = next((share for share in reversed(self._shares) if share.from_seconds <= due), None)
        return share is not None and number % share.of == share.index


class Backlog:
    """Arrivals that are due and wait for a user, by the class of users that they are for."""

    def __init__(self, patience_seconds: float) -> None:
        """An arrival that has waited longer than `patience_seconds` is given up."""
        self._patience_seconds = patience_seconds
        self._waiting: defaultdict[str, deque[float]] = defaultdict(deque)

    def add(self, user_class: str, due: float) -> None:
        """One more waits."""
        self._waiting[user_class].append(due)

    def take(self, user_class: str) -> float | None:
        """Due time of the one that waits longest; None if none does."""
        waiting = self._waiting[user_class]
        return waiting.popleft() if waiting else None

    def classes(self) -> list[str]:
        """Those that arrivals wait for."""
        return [name for name, waiting in self._waiting.items() if waiting]

    def expire(self, now: float) -> int:
        """Give up those that have waited too long; returns how many."""
        given_up = 0
        for waiting in self._waiting.values():
            while waiting and now - waiting[0] > self._patience_seconds:
                waiting.popleft()
                given_up += 1
        return given_up

    def clear(self) -> int:
        """Give up all; returns how many."""
        return self.expire(float("inf"))
