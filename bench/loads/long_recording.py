"""A recorded drill of 15 s, repeated until it is as long as a benchmark needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firedrill.prometheus import remote
from firedrill.prometheus.recorded_data import RecordedPrometheus
from firedrill.record.run_folder import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.interrupt import Interrupt

SLICE_SECONDS = 300
"""Prometheus takes no sample that is an hour older than its newest, so all series grow together."""


def record(folder: str) -> Run:
    """Play and record the drill: three kinds of request, four routes."""
    command = [sys.executable, "-m", "firedrill", "run", "smoke", "--no-report", "--out", folder]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return Run(next(path for path in Path(folder).iterdir() if path.is_dir()))


def samples_of(run: Run, interrupt: Interrupt) -> Sequence[Any]:
    """Return every series of a drill while its load ran."""
    recorded = run.recorded()
    with RecordedPrometheus(recorded.data, interrupt) as source:
        return remote.read(source.prom.url, recorded.start + 2, recorded.end)


def fill(url: str, samples: Sequence[Any], start: float, seconds: int) -> None:
    """Repeat a drill's samples, one a second, in the Prometheus at `url` for so many seconds."""
    for at in range(0, seconds, SLICE_SECONDS):
        remote.write(
            url, [_repeated(series, start + at, at) for series in samples if series.samples]
        )


def _repeated(series: Any, start: float, at: int) -> Any:
    made = type(series)(labels=series.labels)
    values = [sample.value for sample in series.samples]
    growing = values == sorted(values)
    for second in range(SLICE_SECONDS):
        times, place = divmod(at + second, len(values))
        grown = times * (values[-1] - values[0]) if growing else 0
        made.samples.add(value=values[place] + grown, timestamp=round((start + second) * 1000))
    return made
