"""The load generator's health: its CPU, its event loop's lag, and users that miss their pace."""

from __future__ import annotations

import functools
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_SECONDS = 1.0
"""Window of the largest lag and of the CPU ratio: about one scrape."""

_PACED = "constant_pacing.<locals>."
"""Part of the qualified name of every wait_time of constant_pacing or constant_throughput."""


class LoopLag:
    """Lag of an event loop: how much longer than asked for a short sleep takes."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._window_end = clock() + WINDOW_SECONDS
        self._largest = 0.0
        self.total_seconds = 0.0
        self.max_seconds = 0.0
        """Largest lag in the last full second, so that each stall is seen in about one scrape."""

    def restart(self) -> None:
        """Begin a new second, and forget the lag of the last one; the total stays."""
        self.max_seconds = self._largest = 0.0
        self._window_end = self._clock() + WINDOW_SECONDS

    def observe(self, late_seconds: float) -> None:
        """Count one sleep."""
        self.total_seconds += late_seconds
        self._largest = max(self._largest, late_seconds)
        if self._clock() >= self._window_end:
            self.max_seconds, self._largest = self._largest, 0.0
            self._window_end = self._clock() + WINDOW_SECONDS


class CpuMeter:
    """CPU time over wall time of this process, by second."""

    def __init__(
        self,
        wall: Callable[[], float] = time.perf_counter,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._wall, self._cpu = wall, cpu
        self._since = (wall(), cpu())
        self.ratio: float | None = None
        """Cores in use during the last full second; None before there was one."""

    def update(self) -> None:
        """Begin a new second if the last one is over."""
        wall, cpu = self._wall(), self._cpu()
        elapsed = wall - self._since[0]
        if elapsed >= WINDOW_SECONDS:
            self.ratio = (cpu - self._since[1]) / elapsed
            self._since = (wall, cpu)


class Pacing:
    """Intervals started, and started late, by class of users with a fixed pace.

    Locust starts the next task of a user that misses its pace at once, and never catches up.
    """

    def __init__(self) -> None:
        self.intervals: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()

    def watch(self, user_class: Any) -> None:
        """Count the intervals of a class of users, if it has a fixed pace."""
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

        counted.__qualname__ = name  # so that a second watch() does not count twice
        return counted
