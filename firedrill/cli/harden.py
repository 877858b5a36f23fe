"""The command `harden`: find the smallest setting with which a server passes a profile."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn, cast

import click

from firedrill.cli.console import ERRORS, OUTPUT
from firedrill.cli.options import duration, out_option, server_option, source_of
from firedrill.cli.reports import written
from firedrill.drill.play.request import Request
from firedrill.errors import BadInput, ExitCode
from firedrill.hardening import path_table, ranges, trials
from firedrill.hardening.search import Search
from firedrill.interrupt import Interrupt
from firedrill.profile import load_profile
from firedrill.record.run_document import ServerSetup
from firedrill.stack.containers.attached_stack import Attachment
from firedrill.stack.plan import Server

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("profile")
@server_option
@click.option(
    "--try",
    "tries",
    multiple=True,
    metavar="NAME[=LOW..HIGH]",
    help="Change this setting: threads, connection_limit, processes (repeatable).",
)
@click.option(
    "--runs",
    "most_runs",
    type=click.IntRange(2, 50),
    default=6,
    show_default=True,
    help="Play at most so many runs.",
)
@click.option(
    "--duration",
    callback=duration,
    metavar="TIME",
    help="End each load after this time (30s, 2m), if the profile does not end it before.",
)
@click.option("--target", metavar="URL", help="Refused: harden has to restart the server.")
@out_option
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the setting and the path to it on standard output, and nothing else there.",
)
def harden(
    profile: str,
    server: str,
    tries: tuple[str, ...],
    most_runs: int,
    duration: float | None,  # noqa: A002, RUF100 -- the option's name
    target: str | None,
    out: Path,
    as_json: bool,
) -> NoReturn:
    """Find the smallest setting with which the server passes a load PROFILE.

    Plays the profile, reads the diagnosis, sets the values that it predicts to suffice, and repeats
    until the profile passes or nothing in range helps. Then goes down again: the answer is the
    smallest setting that passes twice.

    Exits 0 with such a setting, 1 without one.

    \b
    Examples:
      firedrill harden launch --try threads --try connection_limit
      firedrill harden launch --try threads=4..32 --runs 8
    """
    _check(server, target)
    played = load_profile(profile)
    if played.slo is None or not played.slo.has_objectives:
        raise BadInput(f"profile {played.name} has no objectives to pass; expected some in its slo")
    changed = ranges.parse(tries, ranges.RANGES[server])
    request = Request(
        profile=played,
        source=source_of(profile),
        out=out,
        server=Server(cast("Any", server)),
        duration_seconds=duration,
    )
    seconds = request.ends_after_seconds
    if seconds is None:
        raise BadInput(f"profile {played.name} lasts until it is stopped; expected --duration")
    defaults = ServerSetup(server).settings
    search = Search(played, seconds, changed, defaults, most_runs)
    with Interrupt() as interrupt:
        runs = [run for run, _ in trials.play_all(request, search, ERRORS, interrupt)]
        interrupted = interrupt.requested
    last = search.next()
    if as_json:
        click.echo(json.dumps(path_table.content(search.trials, last), indent=2))
    else:
        OUTPUT.print(path_table.table(search.trials))
        OUTPUT.say(path_table.conclusion(last))
        if last.answer:
            OUTPUT.say(f" $ {path_table.command(profile, server, last.answer)}")
    page = written([runs[0], runs[-1]], out) if len(runs) > 1 else None
    if page and not as_json:
        OUTPUT.say(f"report   in {page}", "dim")
    if interrupted:
        sys.exit(ExitCode.INTERRUPTED)
    sys.exit(ExitCode.PASSED if last.answer else ExitCode.FAILED)


def _check(server: str, target: str | None) -> None:
    """Raise BadInput for a server that has no settings, or that cannot be restarted."""
    if target is not None:
        raise BadInput(
            f"--target {target}: harden restarts the server with other settings; "
            "expected the bundled API, which firedrill starts"
        )
    if Attachment.from_environment(os.environ):
        raise BadInput(
            "a running stack keeps its settings, and harden restarts the server with others; "
            "expected to run outside of the stack"
        )
    if server not in ranges.RANGES:
        raise BadInput(
            f"--server {server}: Flask's development server has no settings; "
            f"expected {', '.join(ranges.RANGES)}"
        )
