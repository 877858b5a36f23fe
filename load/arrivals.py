"""When the arrivals of an open loop are due, whose they are, and which of them wait. Pure; times are seconds since the load began."""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from firedrill.profile import Profile


BLOCK = 997
"""Mean arrivals that are drawn together, so that a walk can begin at any of them. A prime: blocks begin with each worker in turn."""


def schedule_of(profile: Profile) -> Schedule:
    """The same in every process and in every run of the profile."""
    poisson = profile.open_loop is not None and profile.open_loop.poisson
    draw = functools.partial(poisson_block, profile.name) if poisson else even_block
    end = math.inf if profile.duration_seconds is None else profile.duration_seconds
    return Schedule(lambda: ((step.start_seconds, step.rate or 0.0) for step in profile.all_steps()), draw, end)


def even_block(block: int) -> Iterator[float]:
    """Each in the middle of its gap, so that every span of a rate has its whole number of arrivals."""
    return (number + 0.5 for number in range(block * BLOCK, (block + 1) * BLOCK))


def poisson_block(seed: str, block: int) -> Iterator[float]:
    """Exponential gaps with a mean of 1. They have no memory, so a new draw may begin at any place."""
    draw = random.Random(f"{seed} {block}")  # noqa: S311 - no secret
    place = block * BLOCK + draw.expovariate(1.0)
    while place <= (block + 1) * BLOCK:
        yield place
        place += draw.expovariate(1.0)


class Span(NamedTuple):
    """A time with one rate. Places are the rate summed up since the load began: mean arrivals."""

    start: float
    rate: float
    place: float
    end_place: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """When all arrivals are due."""

    rates: Callable[[], Iterable[tuple[float, float]]]
    """(start, arrivals a second from then on), in order and from 0 on; the last one holds for ever."""
    draw: Callable[[int], Iterable[float]]
    """The places of a block's arrivals, in order."""
    end_seconds: float = math.inf

    def since(self, seconds: float) -> Iterator[tuple[int, float]]:
        """(number, due time) of the arrivals from a time on, in order, found without a walk through those before it."""
        spans = self._spans()
        span = next(spans)
        for number, place in self._places(self._block_at(seconds)):
            while not span.rate or place > span.end_place:
                following = next(spans, None)
                if following is None:
                    return
                span = following
            due = span.start + (place - span.place) / span.rate
            if due >= self.end_seconds:
                return
            if due >= seconds:
                yield number, due

    def _places(self, first_block: int) -> Iterator[tuple[int, float]]:
        for block in itertools.count(first_block):
            yield from enumerate(self.draw(block), block * BLOCK)

    def _block_at(self, seconds: float) -> int:
        *_, span = itertools.takewhile(lambda span: span.start <= seconds, self._spans())
        # One arrival less, for a sum of floats may be a little too large.
        return int(max(0.0, span.place + (seconds - span.start) * span.rate - 1)) // BLOCK

    def _spans(self) -> Iterator[Span]:
        place = 0.0
        for (start, rate), (end, _) in itertools.pairwise(itertools.chain(self.rates(), [(math.inf, 0.0)])):
            end_place = place + ((end - start) * rate if rate else 0.0)
            yield Span(start, rate, place, end_place)
            place = end_place


@dataclass(frozen=True, slots=True)
class Share:
    """Of the arrivals that are due from `from_seconds` on: those whose number, divided by `of`, leaves `index`."""

    from_seconds: float
    index: int
    of: int


class Part:
    """One process's part of a schedule. Nothing is its own before a share is assigned."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._numbered: Iterator[tuple[int, float]] = iter(())
        self._next: tuple[int, float] | None = None
        self._shares: list[Share] = []

    def assign(self, share: Share) -> None:
        """From its time on this share holds, instead of the one before it."""
        if not self._shares:
            self._numbered = self._schedule.since(share.from_seconds)
            self._next = next(self._numbered, None)
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


class Roll:
    """What a schedule asks of each worker; one walk for all of them."""

    def __init__(self, schedule: Schedule, asked: Counter[str]) -> None:
        """Counts into `asked`, by worker."""
        self._asked = asked
        self._numbered = schedule.since(0.0)
        self._next = next(self._numbered, None)
        self._workers: Sequence[str] = ()

    def divide(self, from_seconds: float, workers: Sequence[str]) -> None:
        """From a time on each of these has its share, by its index. What was due before is counted."""
        self.count(from_seconds)
        self._workers = workers

    def count(self, until_seconds: float) -> None:
        """Count what is due before a time."""
        while self._next and self._next[1] < until_seconds:
            if self._workers:
                self._asked[self._workers[self._next[0] % len(self._workers)]] += 1
            self._next = next(self._numbered, None)


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

    def ages(self, now: float) -> Iterator[float]:
        """How long each has waited."""
        return (now - due for waiting in self._waiting.values() for due in waiting)

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
