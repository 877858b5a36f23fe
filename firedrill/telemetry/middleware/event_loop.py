"""The event loop of an ASGI application: how late it is, and the threads beside it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from firedrill.contract import LAG_BOUNDS_SECONDS, Server
from firedrill.telemetry.shared_cells import observe

if TYPE_CHECKING:
    from firedrill.telemetry.shared_cells import Cells

INTERVAL_SECONDS = 0.05
"""Twenty samples a second take less than 0.1 % of a core."""


class EventLoop:
    """Samples the event loop in which an application is called, as long as the loop runs.

    Lag is the time by which a timer fires late: what runs in the loop, or the interpreter lock,
    keeps it from answering. Starlette and FastAPI run functions that are not coroutines in threads;
    their number is a limit, and functions wait for them.
    """

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: Any = None

    def watch(self) -> None:
        """Sample the running loop, if it is one of asyncio. Call it in each connection."""
        with suppress(RuntimeError):
            loop = asyncio.get_running_loop()
            if loop is not self._loop:
                self._watch(loop)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lag = self._cells.reserve(Server.EVENT_LOOP_LAG)
        self._threads = thread_limiter()
        if self._threads is not None:
            self._limit = self._cells.reserve(Server.WORKERS_LIMIT)
            self._busy = self._cells.reserve(Server.WORKERS_BUSY)
            self._waiting = self._cells.reserve(Server.QUEUE_DEPTH)
        self._call_later(loop)

    def _call_later(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + INTERVAL_SECONDS
        loop.call_at(due, self._sample, loop, due)

    def _sample(self, loop: asyncio.AbstractEventLoop, due_seconds: float) -> None:
        if loop is not self._loop:
            return
        lag = max(0.0, loop.time() - due_seconds)
        with suppress(Exception), self._cells.lock:
            values = self._cells.values
            observe(values, self._lag, LAG_BOUNDS_SECONDS, lag)
            if self._threads is not None:
                values[self._limit] = self._threads.total_tokens
                values[self._busy] = self._threads.borrowed_tokens
                values[self._waiting] = self._threads.statistics().tasks_waiting
        self._call_later(loop)


def thread_limiter() -> Any:
    """Return the limiter of the threads in which Starlette runs functions; None without it."""
    threads: Any = sys.modules.get("anyio.to_thread")
    with suppress(Exception):
        if threads is not None and "starlette" in sys.modules:
            return threads.current_default_thread_limiter()
    return None
