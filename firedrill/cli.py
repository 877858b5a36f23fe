"""The command line. Errors become one line and an exit code here, and nowhere else."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.console import Console

from firedrill import __version__, contract, places, units
from firedrill.doctor import examine
from firedrill.drill import progress as progress_for
from firedrill.drill import record, story, summary
from firedrill.drill.request import Request
from firedrill.drill.run import play
from firedrill.drill.verdict import EXIT_CODES, Status
from firedrill.errors import BadInput, ExitCode, FiredrillError
from firedrill.faults import FaultClient, parse_words
from firedrill.interrupt import Interrupt
from firedrill.profile import bundled_profiles, load_profile, profile_file
from firedrill.profile_form import parse_fault_time, parse_seconds
from firedrill.stack import composed_foreground, engine, foreground, programs
from firedrill.stack import watch as watcher
from firedrill.stack.attached import Attachment
from firedrill.stack.config import Scrape
from firedrill.stack.plan import PORT_OPTIONS, Ports, Server

if TYPE_CHECKING:
    from collections.abc import Callable

ERRORS = Console(stderr=True)
OUTPUT = Console()

EXIT_CODES_HELP = """\b
Exit codes:
  0    passed
  1    the SLO or an expectation about alerts failed
  2    bad input
  3    something needed is missing, or the target never answered
  4    the run is INVALID: the measurement cannot be trusted (outranks 1)
  130  interrupted; what was recorded is kept"""


FAULTS_HELP = """\b
Kinds:
  latency=300ms  every request takes so much longer
  errors=20%     this share of requests is answered with 500
  cpu=1          cores' worth of computing in the API's process
  stuck=3        so many workers hold their request until the fault ends
  memory=5MB/s   the process grows, up to 512 MiB, and shrinks at the end
  stop           connections are refused and scrapes unanswered
Health checks are neither slow nor failing nor stuck."""


class Commands(click.Group):
    """Turns a FiredrillError into one line on stderr and its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except FiredrillError as error:
            ERRORS.print(f"firedrill: {error}", markup=False, highlight=False, soft_wrap=True)
            sys.exit(error.exit_code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES_HELP)
@click.version_option(__version__, prog_name="firedrill")
def main() -> None:
    """Set your API on fire on purpose, in daylight, and see whether you would have noticed.

    \b
    Examples:
      firedrill run smoke
      firedrill run launch --server waitress --threads 64 --connection-limit 1000
      firedrill run launch --target http://127.0.0.1:8000 --locustfile my_load.py --scrape 127.0.0.1:8000/metrics
      firedrill runs
      firedrill open RUN
      firedrill fault set latency=300ms --for 30s
    """


docker_option = click.option("--docker", is_flag=True, help="In containers, by the shipped docker-compose.yml, instead of processes.")
time_scale_option = click.option(
    "--time-scale",
    type=click.FloatRange(1, 1000),
    default=12.0,
    show_default=True,
    help="Production seconds that a drill second stands for, in the bundled alert rules.",
)

WHAT_LISTENS = {
    "api": "the bundled API",
    "metrics": "the API's metrics page",
    "exporter": "Locust's metrics page",
    "prometheus": "Prometheus",
    "alertmanager": "Alertmanager",
    "notifications": "the receiver of notifications",
    "web": "Locust's web page, where it has one",
    "grafana": "Grafana",
}


def port_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option for each of these ports."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for name in reversed(names):
            option, default = PORT_OPTIONS[name]
            text = f"Port of {WHAT_LISTENS[name]}. [default: {default}, or a free one where that is taken]"
            command = click.option(option, f"{name}_port", type=PORT, metavar="PORT", help=text)(command)
        return command

    return decorate


PORT = click.IntRange(1, 65535)

server_option = click.option(
    "--server", type=click.Choice(["dev", "waitress"]), default="waitress", show_default=True, help="What serves the bundled API."
)
threads_option = click.option(
    "--threads", type=click.IntRange(1, 10_000), metavar="N", help="Worker threads of waitress. [default: 4, waitress's own]"
)
connections_option = click.option(
    "--connection-limit",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Connections waitress accepts at once. [default: 100, waitress's own]",
)
out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    envvar="FIREDRILL_OUT",
    show_default=True,
    help="Folder of the recorded runs.",
)


def _ports(options: dict[str, Any]) -> dict[str, int | None]:
    return {name: options.get(f"{name}_port") for name in PORT_OPTIONS}


def _read_by(parse: Callable[[object], float]) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    def read(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
        try:
            return None if text is None else parse(text)
        except ValueError as error:
            raise click.BadParameter(f"{text!r} is not {error}") from error

    return read


_duration = _read_by(parse_seconds)


def _source(profile: str) -> str:
    return profile if profile in bundled_profiles() else str(Path(profile).absolute())


def _server(kind: Any, threads: int | None, connection_limit: int | None) -> Server:
    for option, value in (("--threads", threads), ("--connection-limit", connection_limit)):
        if kind == "dev" and value is not None:
            raise BadInput(f"{option} {value}: Flask's development server has no such limit; expected --server waitress with it")
    return Server(kind, threads, connection_limit)


@main.command(epilog=EXIT_CODES_HELP)
@click.argument("profile")
@server_option
@threads_option
@connections_option
@click.option("--target", metavar="URL", help="Load your own API instead of the bundled one.")
@click.option(
    "--scrape",
    "scrapes",
    multiple=True,
    metavar="[JOB=]HOST:PORT/PATH",
    help="Scrape this metrics page too (repeatable). With --target its job is `api`, else `extra`.",
)
@click.option(
    "--locustfile",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use the users of your own locustfile; the profile still says how many, when.",
)
@click.option(
    "--rules", multiple=True, type=click.Path(path_type=Path), metavar="FILE", help="Evaluate these rules too, as they are (repeatable)."
)
@click.option(
    "--duration", callback=_duration, metavar="TIME", help="End the load after this time (30s, 2m), if the profile does not end it before."
)
@time_scale_option
@docker_option
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="With --docker: Locust's workers.")
@out_option
@port_options("api", "metrics", "exporter", "web", "prometheus", "alertmanager", "notifications")
@click.option("--json", "as_json", is_flag=True, help="Print the run's run.json on standard output, and nothing else there.")
def run(profile: str, scrapes: tuple[str, ...], rules: tuple[Path, ...], as_json: bool, **options: Any) -> NoReturn:
    """Play a load PROFILE (a bundled one's name, or a YAML file), record it and judge it.

    \b
    Examples:
      firedrill run smoke
      firedrill run launch --server dev
      firedrill run my-profile.yaml --target http://127.0.0.1:8000 --locustfile my_load.py
    """
    target, attachment = options["target"], Attachment.from_environment(os.environ)
    request = Request(
        profile=load_profile(profile),
        source=_source(profile),
        out=options["out"],
        server=_server(options["server"], options["threads"], options["connection_limit"]),
        target="the running stack" if attachment else target,
        scrapes=tuple(Scrape.parse(text, "api" if target else "extra") for text in scrapes),
        locustfile=options["locustfile"],
        rules=rules,
        duration_seconds=options["duration"],
        time_scale=options["time_scale"],
        docker=options["docker"],
        workers=options["workers"],
        attachment=attachment,
        ports=_ports(options),
    )
    with Interrupt() as interrupt:
        progress = progress_for.for_console(ERRORS, request.title)
        try:
            recorded = play(request, interrupt, progress)
        finally:
            progress.close()
    if as_json:
        click.echo(recorded.document.read_text(), nl=False)
    else:
        OUTPUT.print(summary.of_run(recorded))
    sys.exit(EXIT_CODES[Status(recorded.read()["verdict"]["status"])])


@main.command()
@click.option("--profile", default="launch", show_default=True, help="The load profile of all three runs.")
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print the three run.json as a list on standard output, and nothing else there.")
def drill(profile: str, out: Path, as_json: bool) -> NoReturn:
    """The story: one profile against Flask's development server, waitress as it comes, and waitress tuned.

    Exits 0 when the experiment ran to its end: a run that fails its SLO is the point.
    """
    request = Request(profile=load_profile(profile), source=_source(profile), out=out, server=story.SERVERS[0])
    with Interrupt() as interrupt:
        runs = list(story.play_all(request, ERRORS, interrupt))
        interrupted = interrupt.requested
    documents = [recorded.read() for recorded in runs]
    if as_json:
        click.echo(json.dumps(documents, indent=2))
    else:
        OUTPUT.print(summary.side_by_side(documents))
        OUTPUT.print(*(f"recorded in {recorded.folder}" for recorded in runs), sep="\n", style="dim", highlight=False)
    sys.exit(ExitCode.INTERRUPTED if interrupted else ExitCode.PASSED)


@main.command()
@click.option("--profile", default="soak", show_default=True, help="The load that starts by itself; Locust's page steers it.")
@server_option
@threads_option
@connections_option
@out_option
@port_options(*PORT_OPTIONS)
@docker_option
@click.option("--grafana/--no-grafana", "with_grafana", default=True, help="With --docker: start Grafana too. [default: grafana]")
@click.option("--faults", is_flag=True, help="Let `firedrill fault set` break the API.")
def up(profile: str, out: Path, docker: bool, with_grafana: bool, faults: bool, **options: Any) -> NoReturn:
    """The stack in the foreground: API, Locust with its page, Prometheus; Alertmanager and Grafana where they are. Ctrl-C stops it.

    \b
    Examples:
      firedrill up
      firedrill up --profile spike --server dev
      firedrill up --docker --faults
    """
    if load_profile(profile).faults:
        ERRORS.print(f"{profile}: `up` does not set its faults; use `firedrill fault set`", style="dim", highlight=False)
    server, chosen = _server(options["server"], options["threads"], options["connection_limit"]), _ports(options)
    with Interrupt() as interrupt:
        if docker:
            engine.need()
            file = profile_file(profile)
            ports = Ports.choose(chosen)
            composed_foreground.run(server, file, ports, interrupt, ERRORS, with_grafana=with_grafana, takes_faults=faults)
        else:
            foreground.run(out.absolute(), server, profile, Ports.choose(chosen), interrupt, ERRORS, takes_faults=faults)
    sys.exit(ExitCode.PASSED)


@main.group(invoke_without_command=True)
@out_option
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
@click.pass_context
def runs(context: click.Context, out: Path, as_json: bool) -> None:
    """What was recorded, and its size on disk; `runs prune` deletes the oldest."""
    context.obj = out
    if context.invoked_subcommand is None:
        found = record.runs_in(out)
        if as_json:
            click.echo(json.dumps([{**_row(each), "size_bytes": each.size_bytes()} for each in found], indent=2))
        else:
            OUTPUT.print(summary.listing(found), soft_wrap=True)


def _row(recorded: record.Run) -> dict[str, Any]:
    document = recorded.read()
    return {"id": recorded.id, "status": document["verdict"]["status"], "title": summary.title_of(document)}


@runs.command()
@click.option("--keep", type=click.IntRange(0), default=10, show_default=True, help="How many of the newest runs stay.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.pass_obj
def prune(out: Path, keep: int, dry_run: bool) -> None:
    """Delete the oldest recorded runs."""
    found = record.runs_in(out)
    doomed = found[: max(0, len(found) - keep)]
    freed = sum(each.size_bytes() for each in doomed)
    for each in doomed:
        click.echo(f"{'would delete' if dry_run else 'deleted'} {each.id}")
        if not dry_run:
            each.remove()
    click.echo(f"{len(doomed)} of {len(found)} runs, {units.size(freed)}")


@main.command("open")
@click.argument("names", nargs=-1, required=True, metavar="RUN...")
@out_option
@port_options("prometheus")
def open_runs(names: tuple[str, ...], out: Path, prometheus_port: int | None) -> NoReturn:
    """A Prometheus over recorded runs (id, its beginning, or a folder), and Grafana where there is one. Ctrl-C ends it.

    Several runs are laid over each other, aligned on their start and told apart by the label `run`.
    """
    chosen = [record.find(out, name).recorded() for name in names]
    with Interrupt() as interrupt:
        foreground.reopen(chosen, prometheus_port, interrupt, ERRORS)
    sys.exit(ExitCode.PASSED)


@main.group()
def fault() -> None:
    """Break an API on purpose, for a while: `python -m api --faults`, or one of your own that takes faults.

    \b
    Examples:
      firedrill up --faults
      firedrill fault set latency=300ms errors=20% --for 30s
      firedrill fault list
      firedrill fault clear
    """


url_option = click.option(
    "--url",
    default=f"http://{contract.LOOPBACK}:{contract.API_METRICS_PORT}",
    envvar="FIREDRILL_FAULTS_URL",
    show_default=True,
    help="Where the API's metrics page is.",
)


@fault.command("set", epilog=FAULTS_HELP)
@click.argument("words", nargs=-1, required=True, metavar="KIND=VALUE...")
@click.option(
    "--for",
    "seconds",
    callback=_read_by(parse_fault_time),
    required=True,
    metavar="TIME",
    help="When they end by themselves (30s, 2m; 1h at most).",
)
@url_option
def set_faults(words: tuple[str, ...], seconds: float, url: str) -> None:
    """Set faults, from now on and for a time. A kind that is set already begins anew.

    \b
    Examples:
      firedrill fault set latency=300ms --for 30s
      firedrill fault set errors=20% cpu=1 --for 1m
      firedrill fault set stop --for 10s --url http://127.0.0.1:9464
    """
    for active in FaultClient(url).set(parse_words(words), seconds):
        OUTPUT.print(str(active), markup=False, highlight=False)


@fault.command("list")
@url_option
@click.option("--json", "as_json", is_flag=True, help="As a JSON list.")
def list_faults(url: str, as_json: bool) -> None:
    """What is set, and for how much longer."""
    found = FaultClient(url).active()
    if as_json:
        click.echo(json.dumps([asdict(active) for active in found], indent=2))
        return
    for active in found:
        OUTPUT.print(str(active), markup=False, highlight=False)
    if not found:
        OUTPUT.print("no fault is set", style="dim")


@fault.command("clear")
@url_option
def clear_faults(url: str) -> None:
    """End every fault now."""
    FaultClient(url).clear()


@main.group()
def alerts() -> None:
    """Alert rules: prototyped on a stack that runs."""


@alerts.command()
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    default=places.PROMETHEUS,
    metavar="DIR",
    help="Rules and configuration that you edit. [default: the bundle's prometheus/]",
)
@click.option("--into", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The folder that Prometheus reads.")
@time_scale_option
@click.option("--reload", "reload_urls", multiple=True, metavar="URL", help="Have this Prometheus or Alertmanager reload (repeatable).")
def watch(source: Path, into: Path, time_scale: float, reload_urls: tuple[str, ...]) -> None:
    """Save a rule file, and it is in force: checked, scaled, reloaded. A broken one is named with its line, and its old rules stay.

    \b
    Example (what Compose runs):
      firedrill alerts watch --source prometheus --into /config --reload http://prometheus:9090
    """
    with Interrupt() as interrupt:
        watcher.watch(watcher.Mirror(source, into, time_scale), reload_urls, interrupt, click.echo)


@main.command()
@click.option("--get", is_flag=True, help="Take what is missing from Debian's packages, into .tools/: no root, nothing installed.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(get: bool, as_json: bool) -> NoReturn:
    """What is there, what is missing, and how to get it. Exits 3 if something needed is missing."""
    if get:
        for package in programs.get_missing():
            ERRORS.print(f"took {package} into .tools/", highlight=False)
    findings = examine()
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        for finding in findings:
            OUTPUT.print(finding.line(), soft_wrap=True)
    sys.exit(ExitCode.MISSING if any(finding.is_fatal for finding in findings) else ExitCode.PASSED)
