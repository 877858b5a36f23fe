"""Reports as files: beside what they are about, written whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill import whole_file
from firedrill.errors import BadInput
from firedrill.report import comparison, page, recording
from firedrill.report.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from firedrill.drill.record import Run
    from firedrill.interrupt import Interrupt
    from firedrill.report.recording import Recording


ID_TIME_CHARACTERS = len("20261124-132706")


def of_run(run: Run, interrupt: Interrupt) -> Path:
    """Write `runs/<id>/report.html`.

    Raises:
        BadInput: the run has no run.json that can be read, or the file cannot be written.
        Missing: there is no Prometheus, or it cannot open the data.
    """
    return _write(run.folder / "report.html", page.of_run(Facts(run.id, run.read()), _recording(run, interrupt)))


def of_several(runs: Sequence[Run], out: Path, interrupt: Interrupt) -> Path:
    """Write the comparison of several runs into the folder of runs, named after the times at which they began.

    Raises what `of_run` raises.
    """
    read = [(Facts(run.id, run.read()), _recording(run, interrupt)) for run in runs]
    name = f"comparison-{'-'.join(run.id[:ID_TIME_CHARACTERS] for run in runs)}.html"
    return _write(out / name, comparison.of_runs(comparison.sided(read)))


def _recording(run: Run, interrupt: Interrupt) -> Recording | None:
    """None where nothing was recorded."""
    try:
        recorded = run.recorded()
    except BadInput:
        return None
    return recording.read(recorded, interrupt)


def _write(file: Path, content: str) -> Path:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        whole_file.write(file, content)
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}; expected a file to write to") from error
    return file
