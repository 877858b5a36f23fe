"""The commands `runs`, `show` and `open`: list, delete, show and open recorded runs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from firedrill import units
from firedrill.cli.completion import complete_profile, complete_run
from firedrill.cli.console import ERRORS, OUTPUT
from firedrill.cli.options import out_option, port_options
from firedrill.cli.results import result_options, write_results
from firedrill.drill.show import run_list, run_summary
from firedrill.errors import ExitCode
from firedrill.interrupt import Interrupt
from firedrill.record import run_folder
from firedrill.record.outcome import Status
from firedrill.report import report_files
from firedrill.stack import foreground

if TYPE_CHECKING:
    from pathlib import Path


@click.group(
    invoke_without_command=True,
    short_help="List the recorded runs; `runs prune` deletes the oldest.",
)
@click.option("--last", type=click.IntRange(1), metavar="N", help="The newest N runs only.")
@click.option(
    "--profile", metavar="NAME", shell_complete=complete_profile, help="Runs of this profile only."
)
@click.option(
    "--verdict",
    type=click.Choice([status.lower() for status in Status], case_sensitive=False),
    help="Runs with this verdict only.",
)
@click.option(
    "--sort",
    type=click.Choice(run_list.SORT_KEYS),
    default="time",
    show_default=True,
    help="Sort by this; the largest, slowest or newest comes last.",
)
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.pass_context
def runs(
    context: click.Context,
    out: Path,
    sort: str,
    profile: str | None,
    verdict: str | None,
    last: int | None,
    as_json: bool,
) -> None:
    """List the recorded runs with their size on disk; `runs prune` deletes the oldest.

    \b
    Examples:
      firedrill runs --profile launch --verdict failed --last 10
      firedrill runs --sort p99
    """
    context.obj = out
    if context.invoked_subcommand is not None:
        return
    recorded = run_folder.runs_in(out)
    rows = run_list.rows(recorded)
    if profile is not None:
        rows = [row for row in rows if row.profile == profile]
    if verdict is not None:
        rows = [row for row in rows if row.status == verdict.upper()]
    rows = run_list.sorted_by(rows[-last:] if last else rows, sort)
    if as_json:
        click.echo(json.dumps([row.as_json() for row in rows], indent=2))
    else:
        OUTPUT.print(run_list.listing(rows))


@click.command()
@click.argument("name", default=run_folder.LAST, metavar="[RUN]", shell_complete=complete_run)
@out_option
@result_options
@click.option("--json", "as_json", is_flag=True, help="Print the run's run.json, and nothing else.")
def show(
    name: str,
    out: Path,
    junit: Path | None,
    summary: Path | None,
    history: Path | None,
    as_json: bool,
) -> None:
    """Print the summary of a recorded RUN: an id, its beginning, a folder, or `last`.

    \b
    Examples:
      firedrill show
      firedrill show 20261124-1327 --junit results.xml
    """
    chosen = run_folder.find(out, name)
    chosen.read()
    if as_json:
        click.echo(chosen.json_file.read_text(), nl=False)
    else:
        OUTPUT.print(run_summary.of_run(chosen))
    write_results([chosen], junit, summary, history, is_new=False)


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
@click.argument("names", nargs=-1, required=True, metavar="RUN...", shell_complete=complete_run)
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
