"""Users with a fixed pace that cannot keep it: Locust starts their next task at once and never catches up."""

from __future__ import annotations

import functools
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_PACED = "constant_pacing.<locals>."
"""In the qualified name of every wait_time that constant_pacing or constant_throughput makes."""


class Pacing:
    """Intervals begun, and those begun late, by class of users, since the process began."""

    def __init__(self) -> None:
        self.intervals: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()

    def watch(self, user_class: Any) -> None:
        """Count the intervals of its users, if it has a pace."""
        if _PACED in getattr(user_class.wait_time, "__qualname__", ""):
            user_class.wait_time = self._counted(user_class.wait_time, user_class.__name__)
            self.intervals[user_class.__name__] += 0
            self.missed[user_class.__name__] += 0

    def _counted(self, wait_time: Callable[[Any], float], name: str) -> Callable[[Any], float]:
        @functools.wraps(wait_time)
        def counted(user: Any) -> float:
            seconds = wait_time(user)
            self.intervals[name] += 1
            self.missed[name] += seconds <= 0
            return seconds

        counted.__qualname__ = name  # counted once, whoever asks again
        return counted
