"""Whose the arrivals of an open loop are. Pure; times are seconds since the load began."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from arrivals import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from arrivals import Schedule

GIVEN_AHEAD_SECONDS = 1.5
"""So much of the time to come is given out: what a worker that dies takes with it, and how long a master may stand still unnoticed."""

GIVING_SECONDS = 0.5
"""How often."""


@dataclass(frozen=True, slots=True)
class Share:
    """Of the arrivals from `from_seconds` on and before `until_seconds`: those whose number, divided by `of`, leaves `index`."""

    from_seconds: float
    until_seconds: float
    index: int
    of: int


class Part:
    """One process's part of a schedule: the shares that it was given, and nothing beyond them."""

    def __init__(self, schedule: Schedule) -> None:
        self._walk = Walk(schedule)
        self._shares: deque[Share] = deque()

    def assign(self, share: Share) -> None:
        """One more share, of a later time than all before it."""
        self._shares.append(share)

    def until(self, seconds: float) -> Iterator[float]:
        """Due times of the arrivals of this part before a time, from where the last call ended."""
        while self._shares and self._shares[0].from_seconds < seconds:
            share = self._shares.popleft()
            end = min(seconds, share.until_seconds)
            yield from (due for number, due in self._walk.between(share.from_seconds, end) if number % share.of == share.index)
            if end < share.until_seconds:
                self._shares.appendleft(replace(share, from_seconds=end))


class Allotment:
    """What is given to whom of a schedule: one span of time after the other, and none of them twice."""

    def __init__(self, schedule: Schedule, asked: Mapping[str, int]) -> None:
        """`asked` is what had been asked of each worker before."""
        self._walk = Walk(schedule)
        self._asked = Counter(asked)
        self._until = 0.0
        self._asked_by_end: deque[tuple[float, Mapping[str, int]]] = deque([(0.0, asked)])
        """Of each span; one that has ended, and those after it."""

    def extend(self, until_seconds: float, workers: Sequence[str]) -> dict[str, Share]:
        """The time up to then, divided among these workers; it waits for the next call where there are none."""
        if not workers:
            return {}
        start, self._until = self._until, until_seconds
        self._asked.update(workers[number % len(workers)] for number, _ in self._walk.between(start, until_seconds))
        self._asked_by_end.append((until_seconds, dict(self._asked)))
        return {worker: Share(start, until_seconds, index, len(workers)) for index, worker in enumerate(workers)}

    def asked_before(self, seconds: float) -> Mapping[str, int]:
        """What has been asked of each worker by the end of the last span that is over then; of times that only go on."""
        while len(self._asked_by_end) > 1 and self._asked_by_end[1][0] <= seconds:
            self._asked_by_end.popleft()
        return self._asked_by_end[0][1]
