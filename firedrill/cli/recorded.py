"""The commands `runs` and `open`: list, delete and open recorded runs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from firedrill import units
from firedrill.cli.console import ERRORS, OUTPUT
from firedrill.cli.options import out_option, port_options
from firedrill.drill.show import run_list
from firedrill.errors import ExitCode
from firedrill.interrupt import Interrupt
from firedrill.record import run_folder
from firedrill.report import report_files
from firedrill.stack import foreground

if TYPE_CHECKING:
    from pathlib import Path


@click.group(
    invoke_without_command=True,
    short_help="List the recorded runs; `runs prune` deletes the oldest.",
)
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.pass_context
def runs(context: click.Context, out: Path, as_json: bool) -> None:
    """List the recorded runs with their size on disk; `runs prune` deletes the oldest."""
    context.obj = out
    if context.invoked_subcommand is None:
        found = run_folder.runs_in(out)
        if as_json:
            click.echo(
                json.dumps(
                    [{**_row(run), "size_bytes": run.size_bytes()} for run in found], indent=2
                )
            )
        else:
            OUTPUT.print(run_list.listing(found))


def _row(recorded: run_folder.Run) -> dict[str, Any]:
    status, title = run_list.outcome_of(recorded)
    return {"id": recorded.id, "status": status, "title": title}


@runs.command(short_help="Delete the oldest recorded runs.")
@click.option(
    "--keep",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="How many of the newest runs stay.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.pass_obj
def prune(out: Path, keep: int, dry_run: bool) -> None:
    """Delete the oldest recorded runs, and the comparisons in which they take part."""
    found = run_folder.runs_in(out)
    doomed = found[: max(0, len(found) - keep)]
    pages = report_files.comparisons_with(doomed, out)
    freed = sum(run.size_bytes() for run in doomed) + sum(page.stat().st_size for page in pages)
    for name in (*(run.id for run in doomed), *(page.name for page in pages)):
        click.echo(f"{'would delete' if dry_run else 'deleted'} {name}")
    if not dry_run:
        for run in doomed:
            run.remove()
        for page in pages:
            page.unlink()
    click.echo(f"{len(doomed)} of {len(found)} runs, {units.size(freed)}")


@click.command("open", short_help="Open recorded runs in Prometheus, and in Grafana.")
@click.argument("names", nargs=-1, required=True, metavar="RUN...")
@out_option
@port_options("prometheus", "grafana")
def open_runs(
    names: tuple[str, ...], out: Path, prometheus_port: int | None, grafana_port: int | None
) -> NoReturn:
    """Open recorded runs in Prometheus, and in Grafana where it is installed. Ctrl-C ends it.

    RUN is an id, its beginning, or a folder. Several runs are laid over each other, aligned on
    their start and told apart by the label `run`.
    """
    chosen = [run_folder.find(out, name).recorded() for name in names]
    with Interrupt() as interrupt:
        foreground.reopen(chosen, prometheus_port, interrupt, ERRORS, grafana_port)
    sys.exit(ExitCode.PASSED)
