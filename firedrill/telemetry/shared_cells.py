"""Cells of shared memory: the application writes metrics, the metrics process reads them.

A write is an ordinary store into a memory map, without a system call. A scrape costs the
application nothing, not even the interpreter's lock.

    | cells: doubles; cell 0 holds the directory's length in bytes |
    | directory: one JSON line a series, append-only |

Histogram buckets are not cumulative here, so that one observation touches one bucket. Exemplars of
a histogram follow its numbers, one for each bucket.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import threading
from bisect import bisect_left
from time import time
from typing import TYPE_CHECKING, NamedTuple

from firedrill.contract import (
    ENDPOINT_BOUNDS_SECONDS,
    ENDPOINT_BUCKET_OF,
    LATENCY_BOUNDS_SECONDS,
    gauge,
)
from firedrill.exposition import Exemplar

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


class Cells:
    """The memory map, on either side.

    Writers hold `lock` around `values[i] += x`, which takes the interpreter three steps.
    """

    def __init__(self, descriptor: int) -> None:
        """Map the shared memory behind `descriptor`, which the caller closes."""
        self.lock = threading.Lock()
        self.descriptor = descriptor
        self._map = mmap.mmap(descriptor, SIZE_BYTES)
        self._directory = memoryview(self._map)[CELLS * CELL_BYTES :]
        self.values = memoryview(self._map)[: CELLS * CELL_BYTES].cast("d")
        self._next = 1

    @classmethod
    def create(cls) -> Cells:
        """Return new memory, all zero, that lives as long as a process holds it."""
        descriptor = os.memfd_create("firedrill-cells")
        os.truncate(descriptor, SIZE_BYTES)
        return cls(descriptor)

    def reserve(self, metric: Metric, labels: tuple[str, ...] = ()) -> int:
        """Add a series, exported as 0 from now on, and return its first cell.

        Call it once for a set of labels.
        """
        with self.lock:
            first, self._next = self._next, self._next + width_with_exemplars(metric)
            line = (
                json.dumps([metric.name, labels, first, width(metric)], ensure_ascii=False).encode()
                + b"\n"
            )
            begin = int(self.values[0])
            if self._next > CELLS or begin + len(line) > DIRECTORY_BYTES:
                raise MemoryError(
                    f"no room for another series of {metric.name};"
                    " expected the caps on labels to prevent this"
                )
            self._directory[begin : begin + len(line)] = line
            self.values[0] = begin + len(line)  # last: a reader sees whole lines only
        return first

    def series(self) -> list[Series]:
        """Return the directory of now, in the order in which series were added."""
        lines = bytes(self._directory[: int(self.values[0])]).splitlines()
        return [
            Series(name, tuple(labels), first, cells)
            for name, labels, first, cells in map(json.loads, lines)
        ]

    def read(self, series: Series) -> list[float]:
        """Return the numbers of one series."""
        return [self.values[cell] for cell in range(series.first, series.first + series.width)]

    def set_exemplar(
        self, first: int, bounds: Sequence[float], value: float, trace_id: int
    ) -> None:
        """Make a request the exemplar of its bucket, in a histogram whose cells begin at `first`.

        It takes no lock. Two writers, or a reader at the same moment, could at worst mix two
        requests, and a link would lead nowhere.
        """
        cell = first + len(bounds) + 2 + EXEMPLAR_CELLS * bisect_left(bounds, value)
        _EXEMPLAR.pack_into(
            self._map, cell * CELL_BYTES, trace_id.to_bytes(16, "big"), value, time()
        )

    def exemplars(self, series: Series) -> list[Exemplar | None]:
        """Return a histogram's exemplars by bucket; None where no sampled request fell into it."""
        first, buckets = series.first + series.width, series.width - 1
        unpacked = (
            _EXEMPLAR.unpack_from(self._map, (first + EXEMPLAR_CELLS * at) * CELL_BYTES)
            for at in range(buckets)
        )
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
        self._lock = threading.Lock()

    def __missing__(self, labels: tuple[str, ...]) -> tuple[int, ...]:
        with self._lock:
            if labels not in self and (len(self) >= self._limit or not self._fits(labels)):
                labels = self._fold(labels)
            if labels not in self:
                self[labels] = tuple(
                    self._cells.reserve(metric, labels) for metric in self._metrics
                )
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
