"""Ctrl-C, SIGTERM and SIGHUP set a flag, and waits end when it is set.

A flag is used because an exception at a random place leaves half-written state behind.
"""

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

_Item = TypeVar("_Item")


class Interrupted(FiredrillError):
    """The user asked to stop before a wait or a piece of work was over."""

    exit_code = ExitCode.INTERRUPTED


class Interrupt:
    """Counts SIGINT, SIGTERM and SIGHUP inside a `with` block; main thread only.

    The first means "stop in order, keep what was recorded", the second "don't wait for stragglers".
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
        """Whether the user asked to stop."""
        return self._event.is_set()

    @property
    def hurry(self) -> bool:
        """Whether the user asked twice."""
        return self._hurry.is_set()

    def pause(self, seconds: float) -> bool:
        """Wait so long, or until the user asks to stop; return True if the user did."""
        return self._event.wait(seconds)

    def until_requested(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield the items one after the other.

        Raises:
            Interrupted: the user asked to stop before the next one.
        """
        for item in items:
            self.raise_if_requested()
            yield item

    def raise_if_requested(self) -> None:
        """Raise Interrupted if the user asked to stop."""
        if self.requested:
            raise Interrupted("interrupted in the middle of the work")

    def wait_until(self, reached: Callable[[], bool], awaited: str, timeout_seconds: float) -> None:
        """Wait for a condition, checked often at first and later five times a second.

        Raises:
            Missing: it was not reached in time; the message says what was awaited.
            Interrupted: the user asked to stop first.
        """
        began = time.monotonic()
        while not reached():
            waited = time.monotonic() - began
            if waited > timeout_seconds:
                raise Missing(f"waited {timeout_seconds:g} s for {awaited}, in vain")
            if self.pause(min(max(0.02, waited), 0.2)):
                raise Interrupted(f"interrupted while waiting for {awaited}")
