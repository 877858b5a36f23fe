"""The command `capacity`: the highest rate that an API sustains within its SLO."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from firedrill.capacity import summary
from firedrill.capacity.capacity_profile import slo_of
from firedrill.capacity.capacity_run import Goal, measure_capacity
from firedrill.cli import EXIT_CODES_HELP
from firedrill.cli.completion import complete_profile
from firedrill.cli.console import ERRORS, OUTPUT
from firedrill.cli.options import (
    CommandWithPorts,
    asked_ports,
    connections_option,
    duration,
    out_option,
    path_option,
    port_options,
    processes_option,
    read_by,
    serve_option,
    serve_options,
    served,
    server_of,
    server_option,
    shed_option,
    source_of,
    threads_option,
)
from firedrill.cli.reports import written
from firedrill.drill.judge.verdict import EXIT_CODES
from firedrill.drill.play import progress as progress_for
from firedrill.drill.play.request import Request
from firedrill.interrupt import Interrupt
from firedrill.profile import load_profile
from firedrill.profile_form import HIGHEST_RATE
from firedrill.record.outcome import Status
from firedrill.stack.configuration import Scrape

if TYPE_CHECKING:
    from firedrill.drill.play.progress import Progress
    from firedrill.record.run_folder import Run

COMMON_OPTIONS = (
    "slo",
    "expect",
    "overload",
    "time_limit",
    "server",
    "threads",
    "connection_limit",
    "target",
    "serve",
    "locustfile",
    "workers",
    "out",
    "as_json",
)
"""Parameters in the short help."""

_RATE = re.compile(r"(\d+(?:\.\d+)?)(?:/s)?")


def _parse_rate(text: object) -> float:
    match = _RATE.fullmatch(str(text))
    if match is None or not 0 < float(match[1]) <= HIGHEST_RATE:
        raise ValueError("a rate such as 120/s")
    return float(match[1])


@click.command(
    cls=CommandWithPorts,
    common=COMMON_OPTIONS,
    epilog=EXIT_CODES_HELP,
    short_help="Find the highest rate that an API sustains within its SLO.",
)
@click.argument("profile", default="launch", shell_complete=complete_profile)
@click.option(
    "--slo",
    multiple=True,
    metavar="OBJECTIVE",
    help="Search within these objectives instead of the profile's: p99=250ms, errors=1%. "
    "Repeatable, or with commas. [errors: 1% where none is given]",
)
@click.option(
    "--expect",
    callback=read_by(_parse_rate),
    metavar="RATE",
    help="The load you expect (120/s): show the headroom; FAILED if the capacity is below.",
)
@click.option(
    "--overload",
    is_flag=True,
    help="Then play 1.5 and 2 times the capacity for 20 s each, and the minute after.",
)
@click.option(
    "--spacing",
    type=click.Choice(["even", "poisson"]),
    default="even",
    show_default=True,
    help="Space arrivals evenly, or at random as those of independent users.",
)
@click.option(
    "--time-limit",
    callback=duration,
    default="5m",
    show_default=True,
    metavar="TIME",
    help="End the search after this time, with the bracket found so far. Overloads come after it.",
)
@server_option
@processes_option
@threads_option
@connections_option
@shed_option
@serve_option
@serve_options
@path_option
@click.option("--target", metavar="URL", help="Load your own API instead of the bundled one.")
@click.option(
    "--scrape",
    "scrapes",
    multiple=True,
    metavar="[JOB=]HOST:PORT/PATH",
    help="Scrape this metrics endpoint too (repeatable). With --target its job is `api`, else "
    "`extra`.",
)
@click.option(
    "--locustfile",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use the users of your own locustfile, one task per arrival.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the load, one a core.",
)
@out_option
@port_options("api", "metrics", "exporter", "prometheus", "alertmanager", "notifications")
@click.option(
    "--report/--no-report", default=True, show_default=True, help="Write the run's report.html."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the run.json on standard output, and nothing else there.",
)
def capacity(profile: str, scrapes: tuple[str, ...], as_json: bool, **options: Any) -> NoReturn:
    """Find the highest rate that an API sustains within its SLO, and what limits it.

    The users and the SLO are those of PROFILE (launch if none is given); the rate is the search's.
    It doubles the rate until the SLO breaks, halves the bracket to 5 %, repeats the found rate
    three times and checks that one step above breaks. Ctrl-C keeps the bracket found so far.

    \b
    Examples:
      firedrill capacity
      firedrill capacity --threads 16 --expect 200/s
      firedrill capacity --slo p95=100ms,errors=0.1% --overload
      firedrill capacity --serve "gunicorn -w 4 shop:app" --path /health
      firedrill capacity --target http://127.0.0.1:8000 --locustfile my_load.py
    """
    played, target = load_profile(profile), options["target"]
    request = Request(
        profile=played,
        source=source_of(profile),
        out=options["out"],
        server=server_of(
            options["server"],
            options["threads"],
            options["connection_limit"],
            options["processes"],
            options["shed_after"],
        ),
        target=target,
        serve=served(options["serve"], options),
        paths=options["paths"],
        scrapes=tuple(Scrape.parse(text, "api" if target else "extra") for text in scrapes),
        locustfile=options["locustfile"],
        workers=options["workers"],
        ports=asked_ports(options),
    )
    goal = Goal(
        slo=slo_of(options["slo"], played),
        spacing=options["spacing"],
        expected_rate=options["expect"],
        has_overload=options["overload"],
        limit_seconds=options["time_limit"],
    )
    progress = progress_for.for_console(ERRORS, f"capacity of {request.title}")
    recorded = _measured(request, goal, progress)
    page = written([recorded], options["out"]) if options["report"] else None
    if as_json:
        click.echo(recorded.json_file.read_text(), nl=False)
    else:
        OUTPUT.print(summary.of_run(recorded))
        if page:
            OUTPUT.say(f"report   in {page}", "dim")
    sys.exit(EXIT_CODES[Status(recorded.read().status)])


def _measured(request: Request, goal: Goal, progress: Progress) -> Run:
    with Interrupt() as interrupt:
        try:
            return measure_capacity(request, goal, interrupt, progress)
        finally:
            progress.close()
