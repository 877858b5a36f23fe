"""The commands `run` and `drill`: play a load, record it and judge it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from firedrill.cli import EXIT_CODES_HELP
from firedrill.cli.completion import complete_profile
from firedrill.cli.console import ERRORS, OUTPUT
from firedrill.cli.live import live_option, live_runs
from firedrill.cli.options import (
    asked_ports,
    connections_option,
    docker_option,
    duration,
    out_option,
    path_option,
    port_options,
    processes_option,
    serve_option,
    serve_options,
    served,
    server_of,
    server_option,
    shed_option,
    source_of,
    threads_option,
    time_scale_option,
    tolerance,
)
from firedrill.cli.reports import written
from firedrill.cli.results import check_folders, result_options, write_results
from firedrill.cli.settings_file import (
    CommandWithSettings,
    locust_options_of,
    with_slo_of_file,
)
from firedrill.drill.judge import fault_matrix
from firedrill.drill.judge.baseline import Baseline
from firedrill.drill.judge.verdict import EXIT_CODES
from firedrill.drill.measure.existing_prometheus import ExistingPrometheus
from firedrill.drill.play import matrix_runs, three_servers
from firedrill.drill.play.request import Request
from firedrill.drill.play.run import play, play_in_turn
from firedrill.drill.show import matrix_summary, run_summary
from firedrill.errors import BadInput, ExitCode
from firedrill.interrupt import Interrupt
from firedrill.names import without_userinfo
from firedrill.profile import load_profile
from firedrill.record import run_folder
from firedrill.record.outcome import Status
from firedrill.stack import locust_options, user_hosts
from firedrill.stack.configuration import Scrape
from firedrill.stack.containers.attached_stack import Attachment
from firedrill.stack.remote_write import RemoteWrite

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


COMMON_OPTIONS = (
    "target",
    "locustfile",
    "scrapes",
    "duration",
    "workers",
    "abort_on_slo",
    "baseline",
    "junit",
    "summary",
    "is_live",
    "as_json",
)
"""What the short help of `run` shows."""


@click.command(
    cls=CommandWithSettings,
    common=COMMON_OPTIONS,
    epilog=EXIT_CODES_HELP,
    short_help="Play a load profile, record it and judge it.",
)
@click.argument("profile", default="", shell_complete=complete_profile)
@server_option
@processes_option
@threads_option
@connections_option
@shed_option
@serve_option
@serve_options
@click.option("--target", metavar="URL", help="Load your own API instead of the bundled one.")
@path_option
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
    help="Use the users of your own locustfile; the profile still says how many, when.",
)
@click.option(
    "--rules",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Evaluate these rules too, as they are (repeatable).",
)
@click.option(
    "--duration",
    callback=duration,
    metavar="TIME",
    help="End the load after this time (30s, 2m), if the profile does not end it before. "
    "With --matrix: the length of the quiet run.",
)
@click.option(
    "--abort-on-slo",
    is_flag=True,
    help="End the load as soon as the SLO is broken for certain, and say where it was.",
)
@time_scale_option
@docker_option
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    metavar="N",
    default=1,
    show_default=True,
    help="Processes that share the load, one a core: Locust's workers, with a master beside them. "
    "Of a stack that is up: the least it must have.",
)
@out_option
@port_options("api", "metrics", "exporter", "web", "prometheus", "alertmanager", "notifications")
@click.option(
    "--baseline",
    metavar="RUN",
    help="Compare with a recorded run of the same load (id, its beginning, or a folder). FAILED if "
    "a latency (mean or percentile, waiting included) or the error share rose by more than the "
    "tolerance and than chance explains, or the achieved rate fell. Differences up to 5 ms or "
    "0.1 % of the requests do not count.",
)
@click.option(
    "--tolerance",
    callback=tolerance,
    default="5%",
    show_default=True,
    metavar="PERCENT",
    help="With --baseline.",
)
@click.option(
    "--matrix",
    "as_matrix",
    is_flag=True,
    help="Play each fault of the PROFILE (matrix if none is given) alone, after a quiet run, and "
    "print which alert noticed it, how soon. "
    "FAILED where a fault misses one of its alerts, or one fires with nothing wrong.",
)
@click.option(
    "--report/--no-report",
    default=True,
    show_default=True,
    help="Write the run's report.html (never with --matrix).",
)
@live_option
@click.option(
    "--remote-write",
    metavar="URL",
    help="Send the samples, as they are taken, to this Mimir, Thanos or VictoriaMetrics too.",
)
@click.option(
    "--prometheus",
    "prometheus_url",
    metavar="URL",
    help="Take the server's figures from this Prometheus, which scrapes the API already.",
)
@click.option(
    "--prometheus-query",
    "prometheus_queries",
    multiple=True,
    metavar="SIGNAL=PROMQL",
    help="With --prometheus: the query of latency, rate, errors or saturation (repeatable). "
    "[default: OpenTelemetry's names]",
)
@result_options
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the run's run.json (matrix.json) on standard output, and nothing else there.",
)
def run(
    profile: str,
    scrapes: tuple[str, ...],
    rules: tuple[Path, ...],
    as_json: bool,
    as_matrix: bool,
    **options: Any,
) -> NoReturn:
    """Play a load PROFILE (a bundled one's name, or a YAML file), record it and judge it.

    Options that are not given are those of firedrill.toml in this folder, if there is one.

    \b
    Examples:
      firedrill run
      firedrill run smoke
      firedrill run launch --server dev
      firedrill run launch --threads 64 --baseline 20261124-1327 --tolerance 20%
      firedrill run launch --serve "gunicorn -w 4 shop:app"
      firedrill run launch --target http://127.0.0.1:8000 --locustfile my_load.py
      firedrill run --matrix
    """
    if as_matrix and not _is_given("profile"):
        profile = "matrix"
    if not profile:
        raise click.UsageError(
            "no PROFILE; expected a bundled one's name, a YAML file, or a firedrill.toml with one "
            "(`firedrill init` writes it)"
        )
    check_folders(options["junit"], options["summary"])
    profile = with_slo_of_file(profile, options["out"])
    target, attachment = options["target"], Attachment.from_environment(os.environ)
    if attachment:
        _refuse_what_cannot_be_changed()
    played, before = load_profile(profile), options["baseline"]
    hosts: list[str] = []
    if not (attachment or options["docker"]):
        for line in locust_options.found(os.environ, Path.cwd(), Path.home()):
            ERRORS.say(line, "dim")
        if options["locustfile"] and not (target or options["serve"]):
            hosts = _hosts_of_users(options["locustfile"])
            target = hosts[0] if hosts else None
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
        locust_options=locust_options_of(click.get_current_context()),
        target="the running stack" if attachment else target,
        keeps_hosts=len(hosts) > 1,
        serve=served(options["serve"], options),
        paths=options["paths"],
        scrapes=tuple(Scrape.parse(text, "api" if target else "extra") for text in scrapes),
        locustfile=options["locustfile"],
        rules=rules,
        duration_seconds=options["duration"],
        time_scale=options["time_scale"],
        docker=options["docker"],
        workers=options["workers"],
        abort_on_slo=options["abort_on_slo"],
        attachment=attachment,
        remote_write=_remote_write(options["remote_write"]),
        existing_prometheus=_existing(options["prometheus_url"], options["prometheus_queries"]),
        ports=asked_ports(options),
    )
    if before is not None:
        earlier = Baseline.of(
            run_folder.find(options["out"], before),
            played,
            options["tolerance"],
            request.ends_after_seconds,
            request.generator(),
        )
        request = replace(request, baseline=earlier)
    if as_matrix:
        _play_matrix(request, options, as_json=as_json)
    with live_runs(is_live=options["is_live"]) as shown:
        with Interrupt() as interrupt:
            progress = shown.progress(ERRORS, request.title)
            try:
                recorded = shown.ended(play(request, interrupt, progress))
            finally:
                progress.close()
        page = shown.report = written([recorded], options["out"]) if options["report"] else None
    if as_json:
        click.echo(recorded.json_file.read_text(), nl=False)
    else:
        OUTPUT.print(run_summary.of_run(recorded))
        _print_page(page)
    write_results([recorded], options["junit"], options["summary"], options["history"])
    sys.exit(EXIT_CODES[Status(recorded.read().status)])


def _hosts_of_users(locustfile: Path) -> list[str]:
    """Return the hosts that the classes of users name; none if no class names one.

    Raises:
        BadInput: some classes have a host and others have none.
    """
    with Interrupt() as interrupt:
        hosts = user_hosts.read(locustfile, interrupt)
    known = sorted({host for host in hosts.values() if host is not None})
    without = [name for name, host in hosts.items() if host is None]
    if known and without:
        raise BadInput(
            f"--locustfile {locustfile}: {without[0]} has no host, and others have {known[0]}; "
            "expected --target URL, or a host in each class"
        )
    if known:
        ERRORS.say(f"target: {', '.join(map(without_userinfo, known))}, of {locustfile}")
    return known


def _remote_write(url: str | None) -> RemoteWrite | None:
    return None if url is None else RemoteWrite.parse(url, os.environ)


def _existing(url: str | None, queries: Sequence[str]) -> ExistingPrometheus | None:
    if url is not None:
        return ExistingPrometheus.parse(url, queries)
    if queries:
        raise BadInput("--prometheus-query: expected --prometheus with it")
    return None


def _play_matrix(request: Request, options: Mapping[str, Any], *, as_json: bool) -> NoReturn:
    _refuse(
        "--matrix plays several runs, each as long as its fault",
        {"abort_on_slo", "baseline", "tolerance"},
    )
    matrix_runs.check(request)
    request.check()  # All of it, before the first of several runs and not in the middle of them.
    bounds = matrix_runs.bounds_of_loaded_rules(request)
    with Interrupt() as interrupt:
        runs = list(matrix_runs.play_all(request, bounds, ERRORS, interrupt))
    judged = fault_matrix.judge([recorded.read() for recorded in runs], bounds)
    file = judged.write(runs[0].folder)
    if as_json:
        click.echo(judged.text(), nl=False)
    else:
        OUTPUT.print(matrix_summary.of_matrix(judged))
        for recorded in runs:
            OUTPUT.say(f"recorded in {recorded.folder}", "dim")
        OUTPUT.say(f"matrix   in {file}", "dim")
    write_results(runs, options["junit"], options["summary"], options["history"])
    sys.exit(EXIT_CODES[judged.status])


def _refuse_what_cannot_be_changed() -> None:
    """Raise BadInput for an option that a running stack cannot take any more."""
    kept = {
        "profile",
        "out",
        "as_json",
        "duration",
        "workers",
        "baseline",
        "tolerance",
        "is_live",
        "junit",
        "summary",
        "history",
    }
    _refuse(
        "a running stack keeps its settings; "
        "set this in .env, or run on a stack of its own with --docker",
        click.get_current_context().params.keys() - kept,
    )


def _is_given(name: str) -> bool:
    """Return whether the command line has this parameter."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def _refuse(why: str, names: Collection[str]) -> None:
    """Raise BadInput for the first of these options that was given."""
    context = click.get_current_context()
    for name in context.params:
        if name in names and _is_given(name):
            option = next(
                parameter.opts[0] for parameter in context.command.params if parameter.name == name
            )
            raise BadInput(f"{option}: {why}")


@click.command()
@click.option(
    "--profile", default="launch", show_default=True, help="The load profile of all three runs."
)
@click.option(
    "--serve",
    "commands",
    multiple=True,
    metavar="COMMAND",
    help="Compare your own API as this command serves it (repeatable), instead of three servers.",
)
@serve_options
@path_option
@out_option
@result_options
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the run.json of all runs as a list on standard output, and nothing else there.",
)
@live_option
def drill(
    profile: str,
    commands: tuple[str, ...],
    out: Path,
    junit: Path | None,
    summary: Path | None,
    history: Path | None,
    as_json: bool,
    is_live: bool,
    **options: Any,
) -> NoReturn:
    """Run one load profile against several servers and compare them.

    The servers: Flask's development server, waitress with its defaults, and waitress as the
    diagnosis of the second run says, with prediction against measurement. With --serve: your own
    API, served by each command in turn.

    Exits 0 when the experiment ran to its end: a run that fails its SLO is the point.
    """
    check_folders(junit, summary)
    request = Request(
        profile=load_profile(profile),
        source=source_of(profile),
        out=out,
        server=three_servers.SERVERS[0],
        paths=options["paths"],
        ports=asked_ports(options),
    )
    texts = commands or (None,)  # Options of --serve are refused without it.
    asked = [replace(request, serve=served(text, options)) for text in texts]
    own = [command for command in asked if command.serve]
    for command in own:
        command.check()  # All of them, before the first run.
    with live_runs(is_live=is_live) as shown:
        with Interrupt() as interrupt:
            played = (
                play_in_turn(
                    [(command.title, command) for command in own],
                    ERRORS,
                    interrupt,
                    shown.progress,
                )
                if own
                else three_servers.play_all(request, ERRORS, interrupt, shown.progress)
            )
            runs = list(map(shown.ended, played))
            interrupted = interrupt.requested
        documents = [recorded.read() for recorded in runs]
        for recorded in runs:
            written([recorded], out)
        page = shown.report = written(runs, out) if len(runs) > 1 else None
    if as_json:
        click.echo(json.dumps([document.content() for document in documents], indent=2))
    else:
        OUTPUT.print(run_summary.side_by_side(documents))
        for recorded in runs:
            OUTPUT.say(f"recorded in {recorded.folder}", "dim")
        _print_page(page)
    write_results(runs, junit, summary, history)
    sys.exit(ExitCode.INTERRUPTED if interrupted else ExitCode.PASSED)


def _print_page(page: Path | None) -> None:
    if page:
        OUTPUT.say(f"report   in {page}", "dim")
