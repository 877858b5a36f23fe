"""File names of reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from firedrill.record.run_folder import Run

ID_TIME_CHARACTERS = len("20261124-132706")
COMPARISON = "comparison"


def report_file(run: Run) -> Path:
    """Return the file of a run's report, in the folder of the run."""
    return run.folder / "report.html"


def comparison_file(runs: Sequence[Run], out: Path) -> Path:
    """Return the file of a comparison, named after the start times of its runs."""
    return out / f"{'-'.join([COMPARISON, *map(_start_time, runs)])}.html"


def comparisons_with(runs: Sequence[Run], out: Path) -> list[Path]:
    """Return the comparisons in a folder that include at least one of these runs."""
    return [
        file
        for file in sorted(out.glob(f"{COMPARISON}-*.html"))
        if any(f"-{_start_time(run)}" in file.stem for run in runs)
    ]


def _start_time(run: Run) -> str:
    return run.id[:ID_TIME_CHARACTERS]
