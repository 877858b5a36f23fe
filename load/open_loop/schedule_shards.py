"""Whose the arrivals of an open loop are. Pure; times are seconds since the load began."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .schedule import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .schedule import Schedule

GIVEN_AHEAD_SECONDS = 1.5
"""So much of the time to come is given out: what a worker that dies takes with it, and how long a master may stand still unnoticed."""

GIVING_SECONDS = 0.5
"""How often."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Of the arrivals from `from_seconds` on and before `until_seconds`: those whose number, divided by `of`, leaves `index`."""

    from_seconds: float
    until_seconds: float
    index: int
    of: int


class ProcessSchedule:
    """One process's part of a schedule: the shards that it was given, and nothing beyond them."""

    def __init__(self, schedule: Schedule) -> None:
        self._walk = Walk(schedule)
        self._shards: deque[Shard] = deque()

    def assign(self, shard: Shard) -> None:
        """One more shard, of a later time than all before it."""
        self._shards.append(shard)

    def until(self, seconds: float) -> Iterator[float]:
        """Due times of the arrivals of this part before a time, from where the last call ended."""
        while self._shards and self._shards[0].from_seconds < seconds:
            shard = self._shards.popleft()
            end = min(seconds, shard.until_seconds)
            yield from (
                due
                for number, due in self._walk.between(shard.from_seconds, end)
                if number % shard.of == shard.index
            )
            if end < shard.until_seconds:
                self._shards.appendleft(replace(shard, from_seconds=end))


class ShardAllocator:
    """What is given to whom of a schedule: one span of time after the other, and none of them twice."""

    def __init__(self, schedule: Schedule, asked: Mapping[str, int]) -> None:
        """`asked` is what had been asked of each worker before."""
        self._walk = Walk(schedule)
        self._asked = Counter(asked)
        self._until = 0.0
        self._asked_by_end: deque[tuple[float, Mapping[str, int]]] = deque([(0.0, asked)])
        """Of each span; one that has ended, and those after it."""

    def extend(self, until_seconds: float, workers: Sequence[str]) -> dict[str, Shard]:
        """The time up to then, divided among these workers; it waits for the next call where there are none."""
        if not workers:
            return {}
        start, self._until = self._until, until_seconds
        self._asked.update(
            workers[number % len(workers)] for number, _ in self._walk.between(start, until_seconds)
        )
        self._asked_by_end.append((until_seconds, dict(self._asked)))
        return {
            worker: Shard(start, until_seconds, index, len(workers))
            for index, worker in enumerate(workers)
        }

    def asked_before(self, seconds: float) -> Mapping[str, int]:
        """What has been asked of each worker by the end of the last span that is over then; of times that only go on."""
        while len(self._asked_by_end) > 1 and self._asked_by_end[1][0] <= seconds:
            self._asked_by_end.popleft()
        return self._asked_by_end[0][1]
