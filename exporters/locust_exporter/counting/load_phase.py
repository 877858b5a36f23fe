"""The phases of a test in one process: set-up, load and tear-down. Only the load is judged.

The load begins when the listeners of `test_start` have returned. It ends when Locust tells the
users to stop, which is before `on_stop` and before the listeners of `test_stop`.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

OUTSIDE_LOAD: ContextVar[bool] = ContextVar("outside_load", default=False)
"""Whether the request that this greenlet reports was sent in set-up or tear-down."""

PHASES = ("setup", "teardown")
"""Phases in which requests are counted apart."""


class LoadPhase:
    """When the load of one Locust process began and was told to stop. Times are Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.setup_began: float | None = None
        self.began: float | None = None
        """None until the set-up is over."""
        self.stopped: float | None = None
        self.ended: float | None = None
        """End of the tear-down; None while it lasts."""
        self.exit_code: int | None = None
        """The exit code that the locustfile set; None if it set none."""
        self.requests = dict.fromkeys(PHASES, 0)
        """Requests outside a load since the process began, by phase."""
        self.on_begin: list[Callable[[], None]] = []
        self.on_change: list[Callable[[], None]] = []
        """Called after each of the changes below."""

    def begin_setup(self) -> None:
        """Begin the set-up of a test."""
        self.setup_began = self._clock()
        self.began = self.stopped = self.ended = self.exit_code = None
        self._tell()

    def begin(self) -> None:
        """End the set-up, and begin the load."""
        self.began = self._clock()
        self._tell(self.on_begin)

    def stop(self) -> None:
        """End the load; harmless if it has ended."""
        if self.stopped is None:
            self.stopped = self._clock()
            self._tell()

    def end(self) -> None:
        """End the tear-down."""
        self.ended = self._clock()
        self._tell()

    def exit(self, code: int | None) -> None:
        """Keep the exit code that the locustfile set."""
        self.exit_code = code
        self._tell()

    def includes(self, sent: Callable[[], float]) -> bool:
        """Return whether a request that is reported now belongs to the load.

        A request that was under way when the load was told to stop does. Only then is the time
        read at which it was sent, because clients may report any.
        """
        if self.stopped is None:
            return self.began is not None
        return self.began is not None and sent() <= self.stopped

    def count_outside(self) -> None:
        """Count a request outside the load."""
        self.requests["setup" if self.stopped is None else "teardown"] += 1

    @property
    def is_on(self) -> bool:
        """Whether the load has begun and was not told to stop."""
        return self.began is not None and self.stopped is None

    @property
    def is_setting_up(self) -> bool:
        """Whether listeners of `test_start` still run."""
        return self.setup_began is not None and self.began is None and self.stopped is None

    @property
    def setup_seconds(self) -> float | None:
        """The length of the set-up, so far while it lasts; None before the first."""
        if self.setup_began is None:
            return None
        return (self.began or self._clock()) - self.setup_began

    @property
    def teardown_seconds(self) -> float | None:
        """The length of the tear-down, so far while it lasts; None before it."""
        if self.stopped is None:
            return None
        return (self.ended or self._clock()) - self.stopped

    def _tell(self, listeners: list[Callable[[], None]] | None = None) -> None:
        for listener in (*(listeners or ()), *self.on_change):
            listener()
