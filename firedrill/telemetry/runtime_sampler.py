"""Samples of the interpreter: how late it wakes a thread, garbage collection, threads."""

from __future__ import annotations

import gc
import threading
import time
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING

from firedrill.contract import LAG_BOUNDS_SECONDS, Server
from firedrill.telemetry.shared_cells import SAMPLED_AT, observe

if TYPE_CHECKING:
    from collections.abc import Callable

    from firedrill.telemetry.shared_cells import Cells

SLEEP_SECONDS = 0.010
"""A hundred samples a second take 0.3 % of a core; a worker thread wakes as late as they do."""
SAMPLES_PER_TURN = 5


class Sampler:
    """Samples with a daemon thread and a hook on the garbage collector, until `stop()`."""

    def __init__(self, cells: Cells, turn: Callable[[], None]) -> None:
        """Call `turn` from the thread twenty times a second."""
        self._cells, self._turn = cells, turn
        self._lag = cells.reserve(Server.SLEEP_LAG)
        self._threads = cells.reserve(Server.THREADS)
        self._gc_pause = cells.reserve(Server.GC_PAUSE)
        self._sampled_at = cells.reserve(SAMPLED_AT)
        self._gc_begun = 0.0
        self._stopped = False

    def start(self) -> None:
        """Start sampling; the first figures are there when this returns.

        Raises RuntimeError where no thread can be started.
        """
        self._stamp()
        gc.callbacks.append(self._on_gc)
        threading.Thread(target=self._run, name="firedrill-sampler", daemon=True).start()

    def stop(self) -> None:
        """Stop sampling. The thread ends within its next sleep."""
        self._stopped = True
        with suppress(ValueError):
            gc.callbacks.remove(self._on_gc)

    def _run(self) -> None:
        while not self._stopped:
            for _ in range(SAMPLES_PER_TURN):
                begun = perf_counter()
                time.sleep(SLEEP_SECONDS)  # gevent may have replaced it since the import
                lag = max(0.0, perf_counter() - begun - SLEEP_SECONDS)
                with self._cells.lock:
                    observe(self._cells.values, self._lag, LAG_BOUNDS_SECONDS, lag)
                self._stamp()
            self._turn()

    def _stamp(self) -> None:
        self._cells.values[self._threads] = threading.active_count()  # one writer: no lock
        self._cells.values[self._sampled_at] = perf_counter()

    def _on_gc(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_begun = perf_counter()
        else:
            # No lock, because a collection can begin while this thread holds it. Only one
            # collection runs at a time.
            self._cells.values[self._gc_pause] += perf_counter() - self._gc_begun
