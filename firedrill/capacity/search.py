"""The search for the capacity: doubling, bisection, confirmation. No I/O and no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LOWEST_RATE = 1.0
"""Arrivals a second; an SLO that breaks at this rate has no capacity."""

STEP_RATIO = 1.05
"""The bracket of the result: the lowest rate that failed, by the highest that held."""

REPEATS = 3
"""Trials that confirm the found rate. Most of them have to hold."""

ROUNDS = 4
"""How often a confirmation may fail or move the bracket, before the search gives up."""


class Phase(StrEnum):
    """The part of the search that a trial belongs to."""

    RAMP = "ramp"
    BISECTION = "bisection"
    CONFIRMATION = "confirmation"
    ABOVE = "above"
    """One step above the found rate, where the SLO has to break."""


class Outcome(StrEnum):
    """The outcome of a trial at one rate."""

    HELD = "held"
    BROKEN = "broken"
    LIMITED = "limited"
    """The load generator reached its own limit, so the trial says nothing of the API."""


class Ending(StrEnum):
    """Why a search ended."""

    FOUND = "found"
    UNSUSTAINABLE = "unsustainable"
    """The SLO broke at the lowest rate."""
    HIGHEST_RATE = "highest_rate"
    """The SLO held at the highest rate that the load generator may send."""
    UNSETTLED = "unsettled"
    """Repeats of a rate contradicted each other until the last round."""
    OUT_OF_TIME = "out_of_time"
    INTERRUPTED = "interrupted"
    PART_ENDED = "part_ended"
    """A part of the stack ended."""


class OutOfTime(Exception):
    """Raised by `play` where no time is left for another trial."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A rate that the search asks about."""

    rate: float
    phase: Phase


class Search:
    """Asks about one rate after the other.

    `held` and `failed` are the bracket so far, whenever the search ends.
    """

    def __init__(
        self,
        play: Callable[[Probe], Outcome],
        *,
        start_rate: float = 10.0,
        highest_rate: float = math.inf,
    ) -> None:
        """Take the function that plays a trial, and the bounds of the search.

        Args:
            play: Plays a probe; raises OutOfTime where none can be played any more.
            start_rate: The first rate, in arrivals a second.
            highest_rate: The highest rate that the load generator may send.
        """
        self._play = play
        self._start = min(start_rate, highest_rate)
        self._highest = highest_rate
        self._held_rates: list[float] = []
        self.held: float | None = None
        """Highest rate at which the SLO held, and no repeat of it broke."""
        self.failed: float | None = None
        """Lowest rate above it at which a trial did not hold."""
        self.failed_by_generator = False
        """Whether `failed` is a limit of the load generator."""
        self.is_confirmed = False
        """Whether most repeats at `held` held."""

    def run(self) -> Ending:
        """Search until the capacity is found and confirmed, or cannot be."""
        try:
            return self._run()
        except OutOfTime:
            return Ending.OUT_OF_TIME

    def _run(self) -> Ending:
        self._double()
        if self.held is None:
            return Ending.UNSUSTAINABLE
        for _ in range(ROUNDS):
            if self.failed is None:
                return Ending.HIGHEST_RATE
            self._bisect()
            if not self._confirm():
                continue
            if self._breaks_above():
                return Ending.FOUND
            self._step_up()
        return Ending.UNSETTLED

    def _double(self) -> None:
        """Double the rate until it breaks; halve it while not even the first one holds."""
        rate = self._start
        while self._ask(rate, Phase.RAMP) and rate < self._highest:
            rate = min(2 * rate, self._highest)
        while self.held is None and rate > LOWEST_RATE:
            rate = max(LOWEST_RATE, rate / 2)
            self._ask(rate, Phase.RAMP)

    def _bisect(self) -> None:
        """Halve the bracket, in ratios, until it is one step wide."""
        while self.held and self.failed and self.failed > STEP_RATIO * self.held:
            self._ask(math.sqrt(self.held * self.failed), Phase.BISECTION)

    def _confirm(self) -> bool:
        """Repeat the found rate; fall back to the highest lower one if it does not hold."""
        rate = self.held
        if rate is None:
            return False
        outcomes = [self._play(Probe(rate, Phase.CONFIRMATION)) for _ in range(REPEATS)]
        self.is_confirmed = 2 * outcomes.count(Outcome.HELD) > REPEATS
        if not self.is_confirmed:
            self._note_failure(rate, by_generator=Outcome.BROKEN not in outcomes)
            self._held_rates = [lower for lower in self._held_rates if lower < rate]
            self.held = max(self._held_rates, default=None)
            if self.held is None:
                self._ask(max(LOWEST_RATE, rate / 2), Phase.RAMP)
        return self.is_confirmed

    def _breaks_above(self) -> bool:
        """Return whether the rate one step above breaks, as it did before."""
        assert self.failed is not None
        return not self._ask(self.failed, Phase.ABOVE)

    def _step_up(self) -> None:
        """Look for a rate that breaks, with growing steps: an earlier trial was wrong."""
        self.failed, self.failed_by_generator, ratio = None, False, STEP_RATIO
        while self.failed is None and self.held is not None and self.held < self._highest:
            self._ask(min(self._highest, self.held * ratio), Phase.BISECTION)
            ratio = ratio**2

    def _ask(self, rate: float, phase: Phase) -> bool:
        """Play a trial, and move the bracket; return whether the SLO held.

        A trial that the generator spoilt is played once more: the machine may have stalled.
        """
        outcome = self._play(Probe(rate, phase))
        if outcome is Outcome.LIMITED:
            outcome = self._play(Probe(rate, phase))
        if outcome is not Outcome.HELD:
            self._note_failure(rate, by_generator=outcome is Outcome.LIMITED)
            return False
        if rate not in self._held_rates:
            self._held_rates.append(rate)
        if self.held is None or rate > self.held:
            self.held, self.is_confirmed = rate, False
        return True

    def _note_failure(self, rate: float, *, by_generator: bool) -> None:
        if self.failed is None or rate <= self.failed:
            self.failed, self.failed_by_generator = rate, by_generator
