"""Options that several commands share, and the layout of their help."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from firedrill.errors import BadInput
from firedrill.quantities import parse_ratio, parse_seconds
from firedrill.serve.command import ServedCommand, parse_environment
from firedrill.stack.plan import PORT_OPTIONS, Server
from firedrill.target_paths import TargetPath

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def read_by(
    parse: Callable[[object], float],
) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """Return an option's callback that parses its text; the parser raises ValueError."""

    def read(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
        try:
            return None if text is None else parse(text)
        except ValueError as error:
            raise click.BadParameter(f"{text!r} is not {error}") from error

    return read


duration = read_by(parse_seconds)
"""Callback of an option such as `30s`."""

tolerance = read_by(parse_ratio)
"""Callback of an option such as `10%`."""


docker_option = click.option("--docker", is_flag=True, help="Use containers instead of processes.")
time_scale_option = click.option(
    "--time-scale",
    type=click.FloatRange(1, 1000),
    default=12.0,
    show_default=True,
    help="Divide the durations of the bundled rules by this.",
)

LISTENERS = {
    "api": "The bundled API",
    "metrics": "The API's metrics",
    "exporter": "Locust's metrics",
    "prometheus": "Prometheus",
    "alertmanager": "Alertmanager",
    "notifications": "Notification receiver",
    "web": "Locust's web page",
    "grafana": "Grafana",
}


PORT = click.IntRange(1, 65535)
_RANGE = re.compile(r"\s*\[\d+<=x<=\d+\]|; \d+<=x<=\d+")


HELP_ALL = "firedrill.help_all"
"""Key of a context's `meta`: whether its help shows every option."""

SHORT_EXIT_CODES = (
    "Exit codes: 0 passed, 1 failed, 2 bad input, 3 something is missing, 4 INVALID, "
    "130 interrupted."
)


class CommandWithPorts(click.Command):
    """A command whose help shows its common options, and with --help-all every one.

    The ports are in a group at the end, and ranges of numbers are left out. A number out of range
    is refused with the range.
    """

    def __init__(self, *args: Any, common: Collection[str], **options: Any) -> None:
        """Take the names of the common parameters, and what every command takes."""
        super().__init__(*args, **options)
        self._common = frozenset({*common, "help_all"})
        self.params.append(
            click.Option(
                ["--help-all"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_show_everything,
                help="Show every option and exit.",
            )
        )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes, in the short help as one sentence."""
        if self.epilog and not ctx.meta.get(HELP_ALL):
            formatter.write_paragraph()
            formatter.write_text(SHORT_EXIT_CODES)
        else:
            super().format_epilog(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the ports."""
        shows_all = ctx.meta.get(HELP_ALL, False)
        options = [
            param
            for param in self.get_params(ctx)
            if isinstance(param, click.Option)
            and (shows_all or param.name in self._common or "--help" in param.opts)
        ]
        records = [(option, option.get_help_record(ctx)) for option in options]
        ports = {option for option, _ in PORT_OPTIONS.values()}
        for title, of_ports in (
            ("Options", False),
            ("Ports (another one if the default is taken)", True),
        ):
            rows = [
                (record[0], _help_text(record[1], shows_all=shows_all))
                for option, record in records
                if record and bool(ports & {*option.opts}) == of_ports
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def port_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds an option for each of these ports."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for name in reversed(names):
            option, default = PORT_OPTIONS[name]
            text = f"{LISTENERS[name]}. [default: {default}]"
            command = click.option(option, f"{name}_port", type=PORT, metavar="PORT", help=text)(
                command
            )
        return command

    return decorate


def _help_text(text: str, *, shows_all: bool) -> str:
    """Return an option's help, its first sentence in the short help."""
    whole = _RANGE.sub("", text)
    if shows_all:
        return whole
    sentence, dot, _ = whole.partition(". ")
    return f"{sentence}{dot}".rstrip()


def _show_everything(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        context.meta[HELP_ALL] = True
        click.echo(context.get_help())
        context.exit()


server_option = click.option(
    "--server",
    type=click.Choice(["dev", "waitress", "gunicorn", "uvicorn"]),
    default="waitress",
    show_default=True,
    help="Serve the bundled API by this server; uvicorn serves its twin in FastAPI.",
)
processes_option = click.option(
    "--processes",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Worker processes of gunicorn or uvicorn. [default: 1]",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="Threads of waitress, or of each process of gunicorn. [default: 4]",
)
connections_option = click.option(
    "--connection-limit",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Connections that the server accepts. [default: 100 for waitress]",
)
serve_option = click.option(
    "--serve",
    metavar="COMMAND",
    help="Start your own API by this command, measure it without a line of code, and end it "
    'afterwards, such as "gunicorn -w 4 shop:app". {port} stands for its port.',
)
_serve_options = (
    click.option(
        "--serve-cwd",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Run the command of --serve in this folder.",
    ),
    click.option(
        "--serve-port",
        type=PORT,
        metavar="PORT",
        help="Let the command of --serve listen on this port. [default: 8080 or a free one]",
    ),
    click.option(
        "--serve-wait",
        callback=duration,
        default="60s",
        show_default=True,
        metavar="TIME",
        help="Wait so long until the command of --serve answers.",
    ),
    click.option(
        "--env",
        "environment",
        multiple=True,
        metavar="NAME=VALUE",
        help="Set this variable for the command of --serve (repeatable).",
    ),
)


def serve_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how a command of --serve is run."""
    for option in reversed(_serve_options):
        command = option(command)
    return command


path_option = click.option(
    "--path",
    "paths",
    multiple=True,
    callback=lambda _context, _option, texts: tuple(map(TargetPath.parse, texts)),
    metavar='"[METHOD] /PATH [JSON]"',
    help="Let the bundled users ask for this (repeatable). [default: / of your own API]",
)
out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    envvar="FIREDRILL_OUT",
    show_default=True,
    help="Use this folder of recorded runs.",
)


def asked_ports(options: dict[str, Any]) -> dict[str, int | None]:
    """Return the port asked for by name, None where none was."""
    asked = {name: options.get(f"{name}_port") for name in PORT_OPTIONS}
    return {**asked, "api": asked["api"] or options.get("serve_port")}


def served(text: str | None, options: dict[str, Any]) -> ServedCommand | None:
    """Return the command of --serve, None without one.

    Raises:
        BadInput: the command cannot be run, or an option that belongs to it is given without it.
    """
    environment = parse_environment(options["environment"])
    if text is None:
        given = {
            "--serve-cwd": options["serve_cwd"],
            "--serve-port": options["serve_port"],
            "--env": options["environment"],
        }
        for option, value in given.items():
            if value:
                raise BadInput(f"{option}: it belongs to --serve; expected --serve COMMAND")
        return None
    command = ServedCommand(
        text,
        folder=options["serve_cwd"],
        environment=environment,
        port=options["serve_port"],
        wait_seconds=options["serve_wait"],
    )
    command.check()
    return command


shed_option = click.option(
    "--shed-after",
    callback=duration,
    metavar="TIME",
    help="Let the bundled API answer 503 to requests that waited longer for a worker (200ms).",
)


def source_of(profile: str) -> str:
    """Return a profile as Locust gets it: a bundled one's name, or a file's absolute path."""
    from firedrill.profile import bundled_profiles  # noqa: PLC0415 -- takes longer than `runs`

    return profile if profile in bundled_profiles() else str(Path(profile).absolute())


LIMITS = {
    "dev": frozenset[str](),
    "waitress": frozenset({"--threads", "--connection-limit", "--shed-after"}),
    "gunicorn": frozenset({"--threads", "--connection-limit", "--processes"}),
    "uvicorn": frozenset({"--connection-limit", "--processes"}),
}
"""Options that limit each server of the bundled API."""


def server_of(
    kind: Any,
    threads: int | None,
    connection_limit: int | None,
    processes: int | None = None,
    shed_after_seconds: float | None = None,
) -> Server:
    """Return how to serve the bundled API. Raises BadInput for a limit the server lacks."""
    if shed_after_seconds == 0:
        raise BadInput("--shed-after 0s: expected a time above 0")
    asked = {
        "--threads": threads,
        "--connection-limit": connection_limit,
        "--processes": processes,
        "--shed-after": shed_after_seconds,
    }
    for option, value in asked.items():
        if value is not None and option not in LIMITS[kind]:
            others = [name for name, limits in LIMITS.items() if option in limits]
            raise BadInput(
                f"{option} {value}: --server {kind} has no such limit; "
                f"expected --server {' or '.join(others)} with it"
            )
    return Server(kind, threads, connection_limit, processes, shed_after_seconds)
