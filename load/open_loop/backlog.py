"""The backlog: arrivals that are due and wait for a user, until the dispatcher drops them.

No I/O and no clock; times are seconds since the load began.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_SECONDS = 5.0
"""An arrival for which no user was free for so long is dropped.

One that waited for less is sent late, which its response time since the due time shows.
"""

SETTLED_SECONDS = PATIENCE_SECONDS + 1.0
"""Nobody begins an arrival that was due so long ago, and every live worker has reported its end."""

STOP_SECONDS = 0.5
"""Arrivals that came due so shortly before a stop, uncollected, do not count as offered.

A stop takes its time on a busy machine.
"""


class Backlog:
    """Arrivals that are due and wait for a user, by the class of users that they are for."""

    def __init__(self, patience_seconds: float) -> None:
        """Start empty; an arrival that waits longer than `patience_seconds` expires."""
        self._patience_seconds = patience_seconds
        self._waiting: defaultdict[str, deque[float]] = defaultdict(deque)

    def add(self, user_class: str, due: float) -> None:
        """Add an arrival that was due at this time."""
        self._waiting[user_class].append(due)

    def take(self, user_class: str) -> float | None:
        """Remove the arrival that waits longest; return its due time, None if there is none."""
        waiting = self._waiting[user_class]
        return waiting.popleft() if waiting else None

    def classes(self) -> list[str]:
        """Return the classes of users that arrivals wait for."""
        return [name for name, waiting in self._waiting.items() if waiting]

    def ages(self, now: float) -> Iterator[float]:
        """Return the seconds that each arrival has waited."""
        return (now - due for waiting in self._waiting.values() for due in waiting)

    def expire(self, now: float) -> list[float]:
        """Remove arrivals that have waited too long; return the least time that each has waited."""
        expired = 0
        for waiting in self._waiting.values():
            while waiting and now - waiting[0] > self._patience_seconds:
                waiting.popleft()
                expired += 1
        # A moment more would be in the next bucket of a histogram, and read as half as much again.
        return [self._patience_seconds] * expired

    def clear(self, now: float) -> list[float]:
        """Remove all arrivals; return the seconds that each has waited."""
        ages = list(self.ages(now))
        self._waiting.clear()
        return ages


def held_by_target(waiting: int, busy_users: int, awaiting_users: int) -> int:
    """Return how many of the waiting arrivals wait because users await the target's answers.

    It is the ratio of busy users that await an answer.
    """
    return waiting * min(awaiting_users, busy_users) // busy_users if busy_users else 0
