"""Which arrivals of an open loop wait for a user. Pure; times are seconds since the load began."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_SECONDS = 5.0
"""An arrival for which no user was free so long is dropped. What waited shorter is sent late, which the time from schedule shows."""

SETTLED_SECONDS = PATIENCE_SECONDS + 1.0
"""What was due so long ago nobody will begin any more, and every worker that lives has reported what became of it."""

STOP_SECONDS = 0.5
"""What came due so shortly before a stop, and was not looked at, is no longer asked for: a stop takes its time on a busy machine."""


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

    def expire(self, now: float) -> list[float]:
        """Give up those that have waited too long; returns how long each has at least."""
        given_up = 0
        for waiting in self._waiting.values():
            while waiting and now - waiting[0] > self._patience_seconds:
                waiting.popleft()
                given_up += 1
        # A moment more would be in the next bucket of a histogram, and read as half as much again.
        return [self._patience_seconds] * given_up

    def clear(self, now: float) -> list[float]:
        """Give up all; returns how long each has waited."""
        ages = list(self.ages(now))
        self._waiting.clear()
        return ages


def left(waiting: int, busy_users: int, awaiting_users: int) -> int:
    """How many of what waits do so because of the target: the part that its requests hold of the users that are busy."""
    return waiting * min(awaiting_users, busy_users) // busy_users if busy_users else 0
