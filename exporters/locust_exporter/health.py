"""How well a load-generating process itself fares: its CPU, and how late its event loop is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_SECONDS = 1.0
"""Of the largest lateness and of the CPU share: about one scrape."""


class LoopLag:
    """Lateness of an event loop: what a short sleep takes beyond its length."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._window_end = clock() + WINDOW_SECONDS
        self._largest = 0.0
        self.total_seconds = 0.0
        self.max_seconds = 0.0
        """Largest lateness in the last full second, so that each stall is seen in about one scrape."""

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
