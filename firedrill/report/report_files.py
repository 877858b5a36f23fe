"""Where reports are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from firedrill.record.run_folder import Run

ID_TIME_CHARACTERS = len("20261124-132706")
COMPARISON = "comparison"


def of_run(run: Run) -> Path:
    """A run's own, which goes where the run goes."""
    return run.folder / "report.html"


def of_several(runs: Sequence[Run], out: Path) -> Path:
    """The comparison of these runs, named after the times at which they began."""
    return out / f"{'-'.join([COMPARISON, *map(_began, runs)])}.html"


def comparisons_with(runs: Sequence[Run], out: Path) -> list[Path]:
    """The comparisons in a folder in which at least one of these runs takes part."""
    return [
        file
        for file in sorted(out.glob(f"{COMPARISON}-*.html"))
        if any(f"-{_began(run)}" in file.stem for run in runs)
    ]


def _began(run: Run) -> str:
    return run.id[:ID_TIME_CHARACTERS]
