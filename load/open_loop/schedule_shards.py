"""Shards of an open workload's schedule: which arrivals belong to which worker.

No I/O and no clock; times are seconds since the load began.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .schedule import ScheduleCursor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .schedule import Schedule

ALLOCATED_AHEAD_SECONDS = 1.5
"""Time to come that is allocated.

A worker that dies takes so much with it, and a master may stand still for so long unnoticed.
"""

ALLOCATION_SECONDS = 0.5
"""Time between two allocations."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The arrivals of a span of time whose number, divided by `of`, leaves `index`."""

    from_seconds: float
    until_seconds: float
    """End of the span, which is not part of it."""
    index: int
    of: int


class ProcessSchedule:
    """A process's part of a schedule: the shards that it was assigned."""

    def __init__(self, schedule: Schedule) -> None:
        self._cursor = ScheduleCursor(schedule)
        self._shards: deque[Shard] = deque()

    def add_shard(self, shard: Shard) -> None:
        """Add a shard of a later time than all before it."""
        self._shards.append(shard)

    def until(self, seconds: float) -> Iterator[float]:
        """Yield due times of this part before a time, from where the last call ended."""
        while self._shards and self._shards[0].from_seconds < seconds:
            shard = self._shards.popleft()
            end = min(seconds, shard.until_seconds)
            yield from (
                due
                for number, due in self._cursor.between(shard.from_seconds, end)
                if number % shard.of == shard.index
            )
            if end < shard.until_seconds:
                self._shards.appendleft(replace(shard, from_seconds=end))


class ShardAllocator:
    """Allocates a schedule to workers: one span of time after the other, and none of them twice."""

    def __init__(self, schedule: Schedule, assigned: Mapping[str, int]) -> None:
        """Begin at 0 s; `assigned` are the arrivals that each worker was assigned before."""
        self._cursor = ScheduleCursor(schedule)
        self._assigned = Counter(assigned)
        self._until = 0.0
        self._assigned_by_end: deque[tuple[float, Mapping[str, int]]] = deque([(0.0, assigned)])
        """End of each span and the arrivals assigned by then: one ended span and those after it."""

    def allocate_until(self, seconds: float, workers: Sequence[str]) -> dict[str, Shard]:
        """Divide the time up to then among these workers; without workers, leave it for later."""
        if not workers:
            return {}
        start, self._until = self._until, seconds
        self._assigned.update(
            workers[number % len(workers)] for number, _ in self._cursor.between(start, seconds)
        )
        self._assigned_by_end.append((seconds, dict(self._assigned)))
        return {
            worker: Shard(start, seconds, index, len(workers))
            for index, worker in enumerate(workers)
        }

    def assigned_before(self, seconds: float) -> Mapping[str, int]:
        """Return the arrivals assigned to each worker by the last span that ended by then.

        Times must not fall from call to call.
        """
        while len(self._assigned_by_end) > 1 and self._assigned_by_end[1][0] <= seconds:
            self._assigned_by_end.popleft()
        return self._assigned_by_end[0][1]
