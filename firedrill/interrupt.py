"""Ctrl-C, SIGTERM and SIGHUP as something to ask for, not an exception at a random place; and waiting that heeds it. A leaf."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from firedrill.errors import ExitCode, FiredrillError, Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType
    from typing import Self

_Thing = TypeVar("_Thing")


class Interrupted(FiredrillError):
    """The user asked to stop while something was awaited, or worked on."""

    exit_code = ExitCode.INTERRUPTED


class Interrupt:
    """Counts SIGINT, SIGTERM and SIGHUP (a terminal that is closed) inside a `with` block; main thread only.

    Once for "stop in order, keep what was recorded", twice for "and do not wait for stragglers".
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._hurry = threading.Event()

    def __enter__(self) -> Self:
        self._before = {
            number: signal.signal(number, self._note)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        (self._hurry if self._event.is_set() else self._event).set()

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self._event.is_set()

    @property
    def hurry(self) -> bool:
        """Whether somebody asked twice."""
        return self._hurry.is_set()

    def pause(self, seconds: float) -> bool:
        """Wait so long, or until somebody asks to stop; True if somebody did."""
        return self._event.wait(seconds)

    def until_requested(self, things: Iterable[_Thing]) -> Iterator[_Thing]:
        """The same one after the other, to be worked on.

        Raises:
            Interrupted: somebody asked to stop before the next one.
        """
        for thing in things:
            self.raise_if_requested()
            yield thing

    def raise_if_requested(self) -> None:
        """Raises Interrupted if somebody asked to stop."""
        if self.requested:
            raise Interrupted("interrupted in the middle of the work")

    def wait_until(self, reached: Callable[[], bool], what: str, timeout_seconds: float) -> None:
        """Wait for a condition, asked often at first and five times a second at last.

        Raises:
            Missing: it was not reached in time; the message says what was awaited.
            Interrupted: somebody asked to stop first.
        """
        began = time.monotonic()
        while not reached():
            waited = time.monotonic() - began
            if waited > timeout_seconds:
                raise Missing(f"waited {timeout_seconds:g} s for {what}, in vain")
            if self.pause(min(max(0.02, waited), 0.2)):
                raise Interrupted(f"interrupted while waiting for {what}")
