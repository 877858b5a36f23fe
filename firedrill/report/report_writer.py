"""Write reports of one run or of several, each as a whole file or not at all.

The chart library takes as long to import as a Prometheus to start, so both happen at once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from firedrill import atomic_file
from firedrill.errors import BadInput
from firedrill.report import recorded_series, report_files
from firedrill.report.pages import matrix_table
from firedrill.report.run_facts import Facts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from firedrill.interrupt import Interrupt
    from firedrill.record.run_folder import Run
    from firedrill.report.recorded_series import Recording


def write_run_report(run: Run, interrupt: Interrupt) -> Path:
    """Write `runs/<id>/report.html`.

    Raises:
        BadInput: run.json cannot be read, or the file cannot be written.
        Missing: there is no Prometheus, or it cannot open the data.
        Interrupted: the user asked to stop; nothing is written.
    """
    facts = Facts(run.id, run.read(), matrix_table.read(run.folder))
    with ThreadPoolExecutor(1) as reading:
        recorded = reading.submit(_recording, run, interrupt)
        from firedrill.report.pages import run_page  # noqa: PLC0415 -- imported meanwhile

        content = run_page.render_run(facts, recorded.result())
    interrupt.raise_if_requested()
    return _write(report_files.report_file(run), content)


def write_comparison(runs: Sequence[Run], out: Path, interrupt: Interrupt) -> Path:
    """Write the comparison of several runs into the folder of runs.

    Raises the same errors as `write_run_report`.
    """
    facts = [Facts(run.id, run.read()) for run in runs]
    with ThreadPoolExecutor(len(runs)) as reading:
        recorded = reading.map(partial(_recording, interrupt=interrupt), runs)
        from firedrill.report.pages import comparison_page  # noqa: PLC0415 -- imported meanwhile

        content = comparison_page.render_comparison(
            comparison_page.compared_runs(list(zip(facts, recorded, strict=True)))
        )
    interrupt.raise_if_requested()
    return _write(report_files.comparison_file(runs, out), content)


def _recording(run: Run, interrupt: Interrupt) -> Recording | None:
    """Read a run's series; None where nothing was recorded."""
    try:
        recorded = run.recorded()
    except BadInput:
        return None
    return recorded_series.read(recorded, interrupt)


def _write(file: Path, content: str) -> Path:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_file.write(file, content)
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}; expected a file to write to") from error
    return file
