"""Time slices: how long a greenlet may keep all others waiting before it gives way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_SECONDS = 0.004
"""Shorter slices cost a loaded event loop more: each pause lasts until it served everybody."""


class TimeSlice:
    """The time since other greenlets last ran."""

    def __init__(
        self,
        give_way: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Begin a slice; `give_way` lets others run, and without it nobody runs in between."""
        self._give_way = give_way
        self._clock = clock
        self._since = clock()

    def restart(self) -> None:
        """Begin a slice, because others have just run."""
        self._since = self._clock()

    def pause_if_over(self) -> None:
        """Let others run if they have waited for longer than a slice."""
        if self._give_way and self._clock() - self._since > LONGEST_SECONDS:
            self._give_way()
            self._since = self._clock()
