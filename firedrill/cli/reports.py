"""The command `report`: write recorded runs as one HTML file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import click

from firedrill.cli.completion import complete_run
from firedrill.cli.console import ERRORS
from firedrill.cli.options import out_option
from firedrill.errors import ExitCode, FiredrillError
from firedrill.interrupt import Interrupt
from firedrill.record import run_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from firedrill.record.run_folder import Run

MOST_RUNS = 6
"""Runs that one page can tell apart by colour."""


@click.command(short_help="Write the report of a run, or compare several.")
@click.argument("names", nargs=-1, required=True, metavar="RUN...", shell_complete=complete_run)
@out_option
def report(names: tuple[str, ...], out: Path) -> NoReturn:
    """Write the report of a recorded RUN as one HTML file that opens anywhere.

    RUN is an id, its beginning, or a folder.

    Several runs are laid over each other, aligned on their start, with their differences in a
    table. Prints the file's path.

    \b
    Examples:
      firedrill report 20261124-1327
      firedrill report BEFORE AFTER
    """
    if len(names) > MOST_RUNS:
        raise click.BadParameter(
            f"{len(names)} runs; expected {MOST_RUNS} at most", param_hint="RUN"
        )
    chosen = [run_folder.find(out, name) for name in names]
    with Interrupt() as interrupt:
        click.echo(_write(chosen, out, interrupt))
    sys.exit(ExitCode.PASSED)


def written(runs: Sequence[Run], out: Path) -> Path | None:
    """Write the report after a run or drill; a failure is one line on standard error."""
    try:
        with Interrupt() as interrupt:
            return _write(runs, out, interrupt)
    except FiredrillError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 -- a mistake of ours in drawing must not lose the run or its exit code
        reason = f"{error.__class__.__name__}: {error}"
    ERRORS.say(f"firedrill: no report was written: {reason}")
    return None


def _write(runs: Sequence[Run], out: Path, interrupt: Interrupt) -> Path:
    from firedrill.report import report_writer  # noqa: PLC0415 -- the charts' library takes longer to load than most commands take to run

    return (
        report_writer.write_run_report(runs[0], interrupt)
        if len(runs) == 1
        else report_writer.write_comparison(runs, out, interrupt)
    )
