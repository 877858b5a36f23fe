"""The requests of a run in blocks of seconds: counts, failures, time, latency histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from firedrill.contract import Client
from firedrill.errors import BadInput
from firedrill.prometheus.recorded_data import RecordedPrometheus

if TYPE_CHECKING:
    from firedrill.contract import Metric
    from firedrill.interrupt import Interrupt
    from firedrill.prometheus.client import Prometheus
    from firedrill.record.run_folder import Run

    Floats = np.ndarray[Any, np.dtype[np.float64]]

BEFORE_SECONDS = 5.0
"""Time before the window within which the first value of its counters is looked for."""
WANTED_BLOCKS = 20
FEWEST_BLOCKS = 8
LONGEST_BLOCK_SECONDS = 10


@dataclass(frozen=True, slots=True)
class RunBlocks:
    """The requests of a run; a row of each array is a block."""

    seconds: float
    """Length of a block."""
    requests: Floats
    failures: Floats
    time_seconds: Floats
    """Sum of the response times."""
    bounds: Floats
    """Upper bounds of the histogram, in seconds; the last is infinite."""
    buckets: Floats
    """Cumulative counts: a column for each bound."""


def block_seconds(seconds: float) -> int:
    """Return the length of a block for a run: long enough that neighbours hardly depend."""
    return int(min(LONGEST_BLOCK_SECONDS, max(1, seconds // WANTED_BLOCKS)))


def judged_seconds(run: Run) -> float:
    """Return the length of the load after its warm-up.

    Raises:
        BadInput: nothing was recorded.
    """
    document = run.read()
    if document.window is None or not run.snapshot.is_dir():
        raise BadInput(f"{run.id}: nothing was recorded in this run")
    return document.window.seconds - document.profile.warmup_seconds


def read(run: Run, length_seconds: int, blocks: int, interrupt: Interrupt) -> RunBlocks:
    """Read so many blocks of a recorded run, from the end of its warm-up on."""
    document = run.read()
    if document.window is None:
        raise BadInput(f"{run.id}: nothing was recorded in this run")
    start = document.window.start + document.profile.warmup_seconds
    edges: Floats = start + length_seconds * np.arange(blocks + 1, dtype=np.float64)
    latency = (
        Client.ALL_FROM_SCHEDULE if document.profile.open_loop else Client.ALL_REQUEST_DURATION
    )
    with RecordedPrometheus(run.snapshot, interrupt) as recorded:
        prom = recorded.prom
        by_bound = _gains(prom, f"{latency.name}_bucket", edges)
        bounds = sorted(by_bound)
        if not bounds:
            raise BadInput(f"{run.id}: no latency was recorded in this run")
        return RunBlocks(
            seconds=length_seconds,
            requests=_total(prom, Client.ALL_REQUESTS, edges),
            failures=_total(prom, Client.ALL_FAILURES, edges),
            time_seconds=sum(_gains(prom, f"{latency.name}_sum", edges).values(), np.zeros(blocks)),
            bounds=np.array(bounds),
            buckets=np.stack([by_bound[bound] for bound in bounds], axis=1),
        )


def _total(prom: Prometheus, counter: Metric, edges: Floats) -> Floats:
    return sum(_gains(prom, counter.name, edges).values(), np.zeros(len(edges) - 1))


def _gains(prom: Prometheus, selector: str, edges: Floats) -> dict[float, Floats]:
    """Return the gain of counters in each block, by bucket bound; infinite without one.

    Between two samples a counter is taken to rise evenly.
    """
    gains: dict[float, Floats] = {}
    for series in prom.raw(selector, float(edges[0]) - BEFORE_SECONDS, float(edges[-1]) + 1):
        times, values = np.array(series.points).T
        gain = np.maximum(0.0, np.diff(np.interp(edges, times, values)))
        bound = float(series.labels.get("le", "inf"))
        gains[bound] = gains.get(bound, np.zeros(len(edges) - 1)) + gain
    return gains
