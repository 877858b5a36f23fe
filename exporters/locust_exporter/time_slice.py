"""How long one may keep all others waiting, where only one runs at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_SECONDS = 0.004
"""Shorter turns would cost a loaded event loop more: each pause lasts until it has served everybody."""


class Turn:
    """The time since others last had theirs."""

    def __init__(
        self,
        give_way: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`give_way` lets others run; without it nobody is let in between."""
        self._give_way = give_way
        self._clock = clock
        self._since = clock()

    def begin(self) -> None:
        """Others have just had theirs."""
        self._since = self._clock()

    def pause(self) -> None:
        """Give way to others, if they have waited long."""
        if self._give_way and self._clock() - self._since > LONGEST_SECONDS:
            self._give_way()
            self._since = self._clock()
