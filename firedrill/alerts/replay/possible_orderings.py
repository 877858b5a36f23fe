"""The orders in which scrapes and recordings in progress may have ended, at one evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.alerts.replay.ambiguity import InProgress, SourceKey

MAX_COMBINED = 4
"""Sources in progress at one evaluation of which every order is tried."""


@dataclass(frozen=True, slots=True)
class PossibleOrderings:
    """The sources that may have been readable at an evaluation, in the likely order and in others.

    A step is a time at which one or several scrapes or recordings became readable for certain.
    """

    time_ms: int
    in_progress: Sequence[InProgress]
    lag_ms: int
    """The longest time that the evaluation may have taken."""
    likely_lag_ms: int = -1
    """The most likely time; -1 if it is the same."""

    @property
    def steps(self) -> list[int]:
        """The times of the steps."""
        return sorted({item.readable_by_ms for item in self.in_progress})

    @property
    def possible_steps(self) -> int:
        """The most steps that the evaluation may have seen."""
        return self._steps_begun_by(self.ended_ms)

    @property
    def likely_steps(self) -> int:
        """The steps that the evaluation most likely saw."""
        if self.likely_lag_ms < 0:
            return self.possible_steps
        return self._steps_begun_by(self.time_ms + self.likely_lag_ms)

    def _steps_begun_by(self, time_ms: int) -> int:
        begun = {
            step: max(
                item.readable_from_ms for item in self.in_progress if item.readable_by_ms == step
            )
            for step in self.steps
        }
        return max(
            (number for number, step in enumerate(self.steps, start=1) if begun[step] <= time_ms),
            default=0,
        )

    @property
    def ended_ms(self) -> int:
        """The latest end of the evaluation."""
        return self.time_ms + self.lag_ms

    @property
    def is_in_order(self) -> bool:
        """Whether the members of each step became readable at once, and not spread by a stall."""
        ends = {(item.readable_by_ms, item.readable_from_ms) for item in self.in_progress}
        return len(ends) == len(self.steps)

    @property
    def query_times(self) -> list[int]:
        """The times to query at: before the first step, after it, and so on.

        The last one is left out, because the replay by time stamps gives it.
        """
        return [self.time_ms, *self.steps][: self.possible_steps + 1][: len(self.steps)]

    @property
    def other_orders(self) -> list[frozenset[SourceKey]]:
        """The sets that may have been readable alone, in another order than the steps."""
        in_order = [
            frozenset(item.key for item in self.in_progress if item.readable_by_ms <= step)
            for step in self.steps[: self.possible_steps]
        ]
        candidates = [item for item in self.in_progress if item.readable_from_ms <= self.ended_ms]
        candidates = candidates[:MAX_COMBINED]
        possible = [
            frozenset(item.key for item in chosen)
            for size in range(1, len(candidates) + 1)
            for chosen in combinations(candidates, size)
            if self._is_possible(frozenset(chosen))
        ]
        return [keys for keys in possible if keys not in in_order]

    def _is_possible(self, chosen: frozenset[InProgress]) -> bool:
        """Return whether at some time these could be read, and the others not."""
        begin_ms = max(item.readable_from_ms for item in chosen)
        return all(
            begin_ms < item.readable_by_ms for item in self.in_progress if item not in chosen
        )
