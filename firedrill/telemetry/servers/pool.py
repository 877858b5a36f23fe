"""A pool of workers: which of them are busy, and the queue in front of them."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING

from firedrill.contract import LATENCY_BOUNDS_SECONDS, Server
from firedrill.telemetry.servers.server_report import report
from firedrill.telemetry.shared_cells import BUSY_SINCE, FINISHED_BUSY, observe

if TYPE_CHECKING:
    from firedrill.telemetry.shared_cells import Cells

_numbers = count()


class Pool:
    """The cells of a pool of workers, once an application is instrumented.

    A worker's stamp is the time since which it is busy. The metrics process turns stamps into busy
    workers and busy seconds. No method raises.
    """

    def __init__(self, workers: int, *, has_queue: bool = True) -> None:
        """Report a pool of this process; `workers` is its size."""
        self._workers = workers
        self._has_queue = has_queue
        self._cells: Cells | None = None
        self._idle: list[int] = []
        report(self._attach)

    def _attach(self, cells: Cells) -> None:
        cells.set_constant(cells.reserve(Server.WORKERS_LIMIT), self._workers)
        self._finished = cells.reserve(FINISHED_BUSY)
        if self._has_queue:
            self._wait = cells.reserve(Server.QUEUE_WAIT)
            self._depth = cells.reserve(Server.QUEUE_DEPTH)
        for _ in range(self._workers):
            self._idle.append(cells.reserve(BUSY_SINCE, (str(next(_numbers)),)))
        self._cells = cells

    def enter(self) -> None:
        """Count a request that waits for a worker."""
        self._count(1)

    def leave(self) -> None:
        """Count a request that waits no longer and will not be served."""
        self._count(-1)

    def _count(self, requests: int) -> None:
        with suppress(Exception):
            if self._cells:
                self._cells.add(self._depth, requests)

    def begin(self, accepted: float | None = None) -> int | None:
        """Mark a worker busy; return what to give to `end`.

        In a pool with a queue, `accepted` is the `perf_counter()` at which the request entered it.
        """
        with suppress(Exception):
            cells = self._cells
            if cells:
                now = perf_counter()
                worker = self._idle.pop()
                with cells.lock:
                    if accepted is not None:
                        cells.values[self._depth] -= 1
                        observe(cells.values, self._wait, LATENCY_BOUNDS_SECONDS, now - accepted)
                    cells.values[worker] = now
                return worker
        return None

    def end(self, worker: int | None) -> None:
        """Mark the worker idle."""
        with suppress(Exception):
            if worker is not None and self._cells:
                values = self._cells.values
                with self._cells.lock:
                    begun = values[worker]
                    # Cleared before its time is added, on which the metrics process relies.
                    values[worker] = 0.0
                    values[self._finished] += perf_counter() - begun if begun else 0.0
                self._idle.append(worker)
