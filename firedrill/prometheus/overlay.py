"""Several recorded runs in one Prometheus, aligned on their start, with a label `run`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill import names
from firedrill.prometheus import remote
from firedrill.prometheus.recorded_data import RecordedPrometheus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from firedrill.interrupt import Interrupt

SLICE_SECONDS = 600.0
"""How much time is copied at once, of all runs together.

Prometheus refuses samples that are an hour older than its newest.
"""

MARGIN_SECONDS = 30.0
"""How much recording before and after the load is copied too."""


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run's data, and the load's start and end in it (Unix seconds)."""

    id: str
    data: Path
    start: float
    end: float


def labels(ids: Sequence[str]) -> list[str]:
    """Return short names of runs: the words of their ids that not all ids have.

    Where these are not unique, the whole ids are returned.
    """
    short = ["-".join(words) for words in names.distinguishing([each.split("-") for each in ids])]
    return short if len(set(short)) == len(set(ids)) else list(ids)


def fill(url: str, runs: Sequence[RecordedRun], interrupt: Interrupt) -> None:
    """Copy the samples of several runs into an empty Prometheus, aligned on the latest start."""
    latest = max(run.start for run in runs)
    longest = max(run.end - run.start for run in runs) + MARGIN_SECONDS
    with ExitStack() as stack:
        named = zip(labels([run.id for run in runs]), runs, strict=True)
        sources = [
            (label, run, stack.enter_context(RecordedPrometheus(run.data, interrupt)).prom.url)
            for label, run in named
        ]
        at = -MARGIN_SECONDS
        while at < longest:
            for label, run, source in sources:
                series = remote.read(source, run.start + at, run.start + at + SLICE_SECONDS - 0.001)
                for each in series:
                    remote.shift(each, latest - run.start, run=label)
                remote.write(url, series)
            at += SLICE_SECONDS
