"""The schedule of an open workload: when its arrivals are due.

No I/O and no clock; times are seconds since the load began.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from firedrill.profile import Profile

    from .live_rates import LiveRates


BLOCK = 997
"""Mean arrivals that are drawn together, so that a search can begin at any of them.

It is a prime, so that blocks begin with each worker in turn.
"""


def schedule_of(profile: Profile, live: LiveRates | None = None) -> Schedule:
    """Return the profile's schedule, the same in every process and in every run.

    With live rates, these replace the profile's steps.
    """
    poisson = profile.open_loop is not None and profile.open_loop.poisson
    draw = functools.partial(poisson_block, profile.name) if poisson else even_block
    end = math.inf if profile.duration_seconds is None else profile.duration_seconds
    if live:
        return Schedule(live.steps, draw, end, live.refresh)
    return Schedule(
        lambda: ((step.start_seconds, step.rate or 0.0) for step in profile.all_steps()), draw, end
    )


def even_block(block: int) -> Iterator[float]:
    """Return evenly spaced places, each in the middle of its gap.

    Every span of a rate then has its whole number of arrivals.
    """
    return (number + 0.5 for number in range(block * BLOCK, (block + 1) * BLOCK))


def poisson_block(seed: str, block: int) -> Iterator[float]:
    """Yield places with exponential gaps of mean 1, which have no memory across blocks."""
    draw = random.Random(f"{seed} {block}")  # noqa: S311 - no secret
    place = block * BLOCK + draw.expovariate(1.0)
    while place <= (block + 1) * BLOCK:
        yield place
        place += draw.expovariate(1.0)


class Span(NamedTuple):
    """A time with one rate. A place is the rate summed up since the load began: mean arrivals."""

    start: float
    rate: float
    place: float
    end_place: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """The due times of all arrivals."""

    rates: Callable[[], Iterable[tuple[float, float]]]
    """Start and arrivals a second from then on, in order from 0; the last rate never ends."""
    draw: Callable[[int], Iterable[float]]
    """The places of a block's arrivals, in order."""
    end_seconds: float = math.inf
    version: Callable[[], int] = int
    """Changes when `rates` got a step, of a time to come."""

    def arrivals_since(self, seconds: float) -> Iterator[tuple[int, float]]:
        """Yield number and due time of the arrivals from a time on; draw no earlier ones."""
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
        for (start, rate), (end, _) in itertools.pairwise(
            itertools.chain(self.rates(), [(math.inf, 0.0)])
        ):
            end_place = place + ((end - start) * rate if rate else 0.0)
            yield Span(start, rate, place, end_place)
            place = end_place


class ScheduleCursor:
    """Reads a schedule from one span of time into the next."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._numbered: Iterator[tuple[int, float]] = iter(())
        self._next: tuple[int, float] | None = None
        self._at: float | None = None
        self._version = 0

    def between(self, start: float, end: float) -> Iterator[tuple[int, float]]:
        """Yield number and due time of the arrivals from `start` until before `end`.

        The caller has to take all of them.
        """
        version = self._schedule.version()
        if (start, version) != (self._at, self._version):
            self._numbered = self._schedule.arrivals_since(start)
            self._next = next(self._numbered, None)
        self._at, self._version = end, version
        while self._next and self._next[1] < end:
            yield self._next
            self._next = next(self._numbered, None)
