"""Options that several commands have, and what their texts become."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from firedrill.errors import BadInput
from firedrill.quantities import parse_ratio, parse_seconds
from firedrill.stack.plan import PORT_OPTIONS, Server

if TYPE_CHECKING:
    from collections.abc import Callable


docker_option = click.option(
    "--docker",
    is_flag=True,
    help="In containers, by the shipped docker-compose.yml, instead of processes.",
)
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
            command = click.option(option, f"{name}_port", type=PORT, metavar="PORT", help=text)(
                command
            )
        return command

    return decorate


PORT = click.IntRange(1, 65535)

server_option = click.option(
    "--server",
    type=click.Choice(["dev", "waitress"]),
    default="waitress",
    show_default=True,
    help="What serves the bundled API.",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="Worker threads of waitress. [default: 4, waitress's own]",
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


def asked_ports(options: dict[str, Any]) -> dict[str, int | None]:
    """The ports that were asked for, by name; None for those that were not."""
    return {name: options.get(f"{name}_port") for name in PORT_OPTIONS}


def read_by(
    parse: Callable[[object], float],
) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """An option's callback that reads its text by a function which raises ValueError for what it cannot read."""

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


def source_of(profile: str) -> str:
    """What Locust is told: a bundled profile by its name, a file by its whole path."""
    from firedrill.profile import bundled_profiles  # noqa: PLC0415 -- takes longer than `runs`

    return profile if profile in bundled_profiles() else str(Path(profile).absolute())


def server_of(kind: Any, threads: int | None, connection_limit: int | None) -> Server:
    """How the bundled API is to be served. Raises BadInput for a limit that the server does not have."""
    for option, value in (("--threads", threads), ("--connection-limit", connection_limit)):
        if kind == "dev" and value is not None:
            raise BadInput(
                f"{option} {value}: Flask's development server has no such limit; expected --server waitress with it"
            )
    return Server(kind, threads, connection_limit)
