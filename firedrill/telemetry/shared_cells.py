"""Cells of shared memory: the application writes metrics, the metrics process reads them.

A write is an ordinary store into a memory map, without a system call. A scrape costs the
application nothing, not even the interpreter's lock.

    | cells: doubles; cell 0 holds the directory's length in bytes, cell 1 the first free cell |
    | directory: one JSON line a series, append-only |

Each process that serves has its own memory. It is sealed, so that nobody can cut it short, and it
has no name in a file system, so that nobody can delete it.

Histogram buckets are not cumulative here, so that one observation touches one bucket. Exemplars of
a histogram follow its numbers, one for each bucket.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import struct
import threading
import weakref
from bisect import bisect_left
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, NamedTuple, cast

from firedrill.contract import (
    ENDPOINT_BOUNDS_SECONDS,
    ENDPOINT_BUCKET_OF,
    LATENCY_BOUNDS_SECONDS,
    gauge,
)
from firedrill.exposition import Exemplar
from firedrill.telemetry.warning_once import warn_once

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from firedrill.contract import Metric

SAMPLED_AT = gauge(
    "sampled_at_seconds", "perf_counter() of the latest sample; its age is exported."
)
FINISHED_BUSY = gauge("finished_busy_seconds", "Worker-seconds of finished requests.")
BUSY_SINCE = gauge(
    "busy_since_seconds",
    "perf_counter() when this worker took its request, 0 while idle.",
    "worker",
)
"""A worker's stamp.

These three are not exported: the metrics process combines them with its own time. All processes of
a machine share this clock.
"""

FIRST_CELL = 2
SPARE_CELLS = 1024
"""Cells at the end that no series has: what finds no room is counted here, and shown nowhere."""
CELLS = 256 * 1024
"""Number of doubles. Memory is taken only where it is touched.

The middleware's caps keep a program under 165,000: 132 cells for each of 200 sets of labels, and
for each of a thousand status codes, and 284 for each histogram over all requests.
"""
DIRECTORY_BYTES = 1024 * 1024
"""Room for every series the caps allow, with labels of 256 characters, four bytes each."""
CELL_BYTES = 8
SIZE_BYTES = CELLS * CELL_BYTES + DIRECTORY_BYTES


_EXEMPLAR = struct.Struct("=16sdd")
EXEMPLAR_CELLS = _EXEMPLAR.size // CELL_BYTES


class Series(NamedTuple):
    """A line of the directory: family, label values, first cell and number of cells."""

    name: str
    labels: tuple[str, ...]
    first: int
    width: int


def width(metric: Metric) -> int:
    """Return the cells of a series: a histogram's buckets with +Inf and its sum, else one."""
    return len(metric.bounds) + 2 if metric.kind == "histogram" else 1


def width_with_exemplars(metric: Metric) -> int:
    """Return the cells that a series takes: its numbers and its exemplars."""
    return width(metric) + (EXEMPLAR_CELLS * (len(metric.bounds) + 1) if metric.exemplars else 0)


class Sink:
    """Takes every write and keeps none: the cells of a process that does not serve."""

    def __getitem__(self, cell: int) -> float:
        return 0.0

    def __setitem__(self, cell: int, value: float) -> None:
        pass


NOWHERE = cast("memoryview[float]", Sink())


_in_this_process: weakref.WeakSet[Cells] = weakref.WeakSet()


def _after_fork() -> None:
    for cells in list(_in_this_process):
        cells.after_fork()


os.register_at_fork(after_in_child=_after_fork)


class Cells:
    """The metrics of one process, on either side of the shared memory.

    A process has memory from the first `enter()` on, and so has a child that serves after a fork.
    Before that, what is written goes nowhere. Writers hold `lock` around `values[i] += x`, which
    takes the interpreter three steps.
    """

    def __init__(self, begin: Callable[[], None] | None = None) -> None:
        """Take no memory yet. `begin` is called once in each process that serves."""
        self._begin = begin
        self._lines: dict[tuple[str, tuple[str, ...]], tuple[int, bytes]] = {}
        """First cell and line of the directory, by name and labels."""
        self._constants: dict[int, float] = {}
        self._next, self._bytes = FIRST_CELL, 0
        self._known: list[Series] = []
        self._known_bytes = 0
        self._forget()
        _in_this_process.add(self)

    def _forget(self) -> None:
        """Leave the memory to the process that took it."""
        self.lock = threading.Lock()
        self.labels_lock = threading.Lock()
        self._entering: dict[int, threading.Lock] = {}
        self._pid = 0
        self.values = NOWHERE
        self._map: mmap.mmap | None = None
        self.descriptor = -1

    def after_fork(self) -> None:
        """Forget the parent's memory in a child, which may never serve."""
        descriptor = self.descriptor
        self._forget()
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)

    @classmethod
    def create(cls) -> Cells:
        """Return cells with memory, all zero."""
        cells = cls()
        cells.enter()
        return cells

    @classmethod
    def attach(cls, descriptor: int) -> Cells:
        """Return the cells that another process created; `descriptor` is theirs from now on.

        Raises OSError or ValueError if they are none.
        """
        cells = cls()
        cells._map_memory(descriptor)
        cells._pid = os.getpid()
        cells._bytes, cells._next = int(cells.values[0]), int(cells.values[1])
        cells._lines = {(line.name, line.labels): (line.first, b"") for line in cells.series()}
        return cells

    def enter(self) -> None:
        """Note that a request begins here. Call it before anything else of a request.

        The first request of a process takes memory and begins to publish. It never raises. The
        process id is compared because uWSGI forks without Python's hooks.
        """
        if self._pid != os.getpid():
            self._enter_process(os.getpid())

    def _enter_process(self, pid: int) -> None:
        with self._entering.setdefault(pid, threading.Lock()):
            if self._pid == pid:
                return
            if self._pid:
                self.after_fork()
            try:
                self._take_memory()
                self._pid = pid
                if self._begin:
                    self._begin()
            except Exception as error:  # noqa: BLE001 -- the application shall answer, whatever fails here
                self._pid = pid
                warn_once("requests are served, but not measured", error)

    def _take_memory(self) -> None:
        descriptor = os.memfd_create("firedrill-cells", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            # Taken whole, so that no later write can fail for want of memory.
            os.posix_fallocate(descriptor, 0, SIZE_BYTES)
            fcntl.fcntl(
                descriptor,
                fcntl.F_ADD_SEALS,
                fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL,
            )
            with self.lock:
                self._map_memory(descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def _map_memory(self, descriptor: int) -> None:
        memory = mmap.mmap(descriptor, SIZE_BYTES)
        values = memoryview(memory)[: CELLS * CELL_BYTES].cast("d")
        if self._lines:
            lines = b"".join(line for _, line in self._lines.values())
            self._append(memory, values, lines)
        for cell, value in self._constants.items():
            values[cell] = value
        self.values, self._map, self.descriptor = values, memory, descriptor

    def _append(self, memory: mmap.mmap, values: memoryview[float], lines: bytes) -> None:
        begin = int(values[0])
        at = CELLS * CELL_BYTES + begin
        memory[at : at + len(lines)] = lines
        values[1] = self._next
        values[0] = begin + len(lines)  # last: a reader sees whole lines only

    def reserve(self, metric: Metric, labels: tuple[str, ...] = ()) -> int:
        """Return the first cell of a series, which is exported as 0 from its first call on.

        Raises MemoryError if there is no room.
        """
        with self.lock:
            if (metric.name, labels) in self._lines:
                return self._lines[metric.name, labels][0]
            first, following = self._next, self._next + width_with_exemplars(metric)
            entry = json.dumps([metric.name, labels, first, width(metric)], ensure_ascii=False)
            line = entry.encode("utf-8", "replace") + b"\n"
            if following > CELLS - SPARE_CELLS or self._bytes + len(line) > DIRECTORY_BYTES:
                raise MemoryError(
                    f"no room for another series of {metric.name};"
                    " expected the caps on labels to prevent this"
                )
            # In this order, so that a fork in between wastes cells and shares none.
            self._next = following
            self._bytes += len(line)
            self._lines[metric.name, labels] = first, line
            if self._map:
                self._append(self._map, self.values, line)
        return first

    def set_constant(self, cell: int, value: float) -> None:
        """Set a cell in this process and in all that it forks."""
        self._constants[cell] = value
        self.values[cell] = value

    def series(self) -> list[Series]:
        """Return the directory of now, in the order in which series were added."""
        end = int(self.values[0])
        if self._map and end > self._known_bytes:
            at = CELLS * CELL_BYTES
            lines = self._map[at + self._known_bytes : at + end].splitlines()
            self._known += [
                Series(name, tuple(labels), first, cells)
                for name, labels, first, cells in map(json.loads, lines)
            ]
            self._known_bytes = end
        return list(self._known)

    def read(self, series: Series) -> list[float]:
        """Return the numbers of one series."""
        return list(self.values[series.first : series.first + series.width])

    def set_exemplar(
        self, first: int, bounds: Sequence[float], value: float, trace_id: int
    ) -> None:
        """Make a request the exemplar of its bucket, in a histogram whose cells begin at `first`.

        It takes no lock. Two writers, or a reader at the same moment, could at worst mix two
        requests, and a link would lead nowhere.
        """
        if self._map is None:
            return
        cell = first + len(bounds) + 2 + EXEMPLAR_CELLS * bisect_left(bounds, value)
        _EXEMPLAR.pack_into(
            self._map, cell * CELL_BYTES, trace_id.to_bytes(16, "big"), value, time()
        )

    def exemplars(self, series: Series) -> list[Exemplar | None]:
        """Return a histogram's exemplars by bucket; None where no sampled request fell into it."""
        if self._map is None:
            return []
        first, buckets = series.first + series.width, series.width - 1
        unpacked = [
            _EXEMPLAR.unpack_from(self._map, (first + EXEMPLAR_CELLS * at) * CELL_BYTES)
            for at in range(buckets)
        ]
        return [
            Exemplar(trace_id.hex(), value, timestamp) if timestamp else None
            for trace_id, value, timestamp in unpacked
        ]

    def add(self, cell: int, amount: float = 1.0) -> None:
        """Increment one cell; no increment is ever lost."""
        with self.lock:
            self.values[cell] += amount


def observe(values: memoryview[float], first: int, bounds: Sequence[float], value: float) -> None:
    """Count `value` in the histogram whose cells begin at `first`. The caller holds the lock."""
    values[first + bisect_left(bounds, value)] += 1
    values[first + len(bounds) + 1] += value


class Children(dict[tuple[str, ...], tuple[int, ...]]):
    """First cells by set of labels, one for each metric, added when they are first looked up.

    There are at most `limit` sets. Later ones, and those that do not fit, are counted where `fold`
    says. A look-up that hits costs as much as a dictionary's.
    """

    def __init__(
        self,
        cells: Cells,
        *metrics: Metric,
        limit: int,
        fits: Callable[[tuple[str, ...]], object],
        fold: Callable[[tuple[str, ...]], tuple[str, ...]],
    ) -> None:
        super().__init__()
        self._cells, self._metrics = cells, metrics
        self._limit, self._fits, self._fold = limit, fits, fold

    def __missing__(self, labels: tuple[str, ...]) -> tuple[int, ...]:
        with self._cells.labels_lock:
            if labels not in self and (len(self) >= self._limit or not self._fits(labels)):
                labels = self._fold(labels)
            if labels not in self:
                try:
                    self[labels] = tuple(
                        self._cells.reserve(metric, labels) for metric in self._metrics
                    )
                except MemoryError:
                    return (CELLS - SPARE_CELLS,) * len(self._metrics)
            return self[labels]


_SUM = len(LATENCY_BOUNDS_SECONDS) + 1
_ENDPOINT_SUM = len(ENDPOINT_BOUNDS_SECONDS) + 1


def observe_latency(
    values: memoryview[float], route_first: int, all_first: int, seconds: float
) -> None:
    """Count a latency in its route's histogram and in that of all requests; hold the lock."""
    bucket = bisect_left(LATENCY_BOUNDS_SECONDS, seconds)
    values[all_first + bucket] += 1
    values[all_first + _SUM] += seconds
    values[route_first + ENDPOINT_BUCKET_OF[bucket]] += 1
    values[route_first + _ENDPOINT_SUM] += seconds
