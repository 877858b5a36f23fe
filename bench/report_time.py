"""How long `firedrill report` takes, from the command line to the file.

A recorded drill of the smoke profile is repeated until it lasts five minutes or an hour. Every
report is written by a process of its own. The fastest of five counts, because other work of the
machine only adds; `cpu_s` is the CPU time of all its processes. The last row has both runs in one
report. Aim: 3 s for five minutes, 10 s for an hour, 3 MB. Run: `python -m bench.report_time`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.loads import long_recording
from bench.result_tables import save, table
from firedrill.interrupt import Interrupt
from firedrill.prometheus.recorded_data import RecordedPrometheus
from firedrill.record.run_folder import Run
from tests import run_json

if TYPE_CHECKING:
    from collections.abc import Sequence

LENGTHS_SECONDS = {"5 minutes": 300, "1 hour": 3600}
ROUNDS = 5


def long_run(short: Run, samples: Sequence[Any], seconds: int, interrupt: Interrupt) -> Run:
    """Make a run folder as of a drill that lasted so long."""
    made = Run(short.folder.with_name(f"{short.id}-{seconds}"))
    made.folder.mkdir()
    start = time.time() - seconds
    with RecordedPrometheus(None, interrupt) as reopened:
        long_recording.fill(reopened.prom.url, samples, start, seconds)
        shutil.copytree(
            reopened.folder / "data" / "snapshots" / reopened.prom.snapshot(), made.snapshot
        )
    run_json.write(
        made, {**run_json.content(short), "window": {"start": start, "end": start + seconds - 1}}
    )
    return made


def measured(folders: Sequence[Path]) -> dict[str, float]:
    """Return the fastest of the rounds."""
    return min((_once(folders) for _ in range(ROUNDS)), key=lambda row: row["elapsed_s"])


def _once(folders: Sequence[Path]) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "firedrill",
        "report",
        *map(str, folders),
        "--out",
        str(folders[0].parent),
    ]
    before, began = os.times(), time.perf_counter()
    written = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    elapsed, after = time.perf_counter() - began, os.times()
    cpu = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return {
        "elapsed_s": round(elapsed, 2),
        "cpu_s": round(cpu, 2),
        "size_MB": round(Path(written).stat().st_size / 1e6, 2),
    }


def main() -> None:
    """Measure, print, save."""
    with tempfile.TemporaryDirectory() as folder, Interrupt() as interrupt:
        short = long_recording.record(folder)
        samples = long_recording.samples_of(short, interrupt)
        runs = {
            name: long_run(short, samples, seconds, interrupt).folder
            for name, seconds in LENGTHS_SECONDS.items()
        }
        reports = {
            **{name: [run] for name, run in runs.items()},
            "5 minutes beside 1 hour": list(runs.values()),
        }
        rows = [{"run": name, **measured(folders)} for name, folders in reports.items()]
    table(rows)
    save("report_time", rows)


if __name__ == "__main__":
    main()
