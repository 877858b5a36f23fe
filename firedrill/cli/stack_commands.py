"""The commands `up` and `doctor`: the stack in the foreground, and what it needs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from firedrill import places
from firedrill.cli.console import ERRORS, OUTPUT
from firedrill.cli.live import live_option, live_runs
from firedrill.cli.options import (
    CommandWithPorts,
    asked_ports,
    connections_option,
    docker_option,
    out_option,
    path_option,
    port_options,
    processes_option,
    serve_option,
    serve_options,
    served,
    server_of,
    server_option,
    threads_option,
)
from firedrill.doctor import examine
from firedrill.errors import BadInput, ExitCode
from firedrill.interrupt import Interrupt
from firedrill.processes import programs
from firedrill.profile import load_profile, profile_file
from firedrill.stack import foreground
from firedrill.stack.containers import container_foreground, engine
from firedrill.stack.plan import PORT_OPTIONS, Ports
from firedrill.target_paths import FRONT_PAGE, TargetPath

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    cls=CommandWithPorts, common=("profile", "server", "faults", "docker", "with_grafana")
)
@click.option(
    "--profile",
    default="soak",
    show_default=True,
    help="Start this load; Locust's page controls it.",
)
@server_option
@processes_option
@threads_option
@connections_option
@serve_option
@serve_options
@path_option
@click.option("--faults", is_flag=True, help="Let `firedrill fault set` break the API.")
@docker_option
@click.option(
    "--grafana/--no-grafana",
    "with_grafana",
    default=True,
    help="Start Grafana with --docker. [default: grafana]",
)
@out_option
@live_option
@port_options(*PORT_OPTIONS)
def up(
    profile: str, out: Path, docker: bool, with_grafana: bool, faults: bool, **options: Any
) -> NoReturn:
    """Start the stack in the foreground; Ctrl-C stops it.

    It has the API, Locust with its web page, Prometheus, and Alertmanager and Grafana if installed.

    \b
    Examples:
      firedrill up
      firedrill up --profile spike --server dev
      firedrill up --docker --faults
      firedrill up --serve "gunicorn -w 4 shop:app" --path /orders
    """
    if load_profile(profile).faults:
        ERRORS.say(f"{profile}: `up` does not set its faults; use `firedrill fault set`", "dim")
    server, chosen = (
        server_of(
            options["server"],
            options["threads"],
            options["connection_limit"],
            options["processes"],
        ),
        asked_ports(options),
    )
    command = served(options["serve"], options)
    if command and (docker or faults):
        raise BadInput(f"--serve {command}: expected it without --docker and without --faults")
    if docker and options["paths"]:
        raise BadInput(f"--path {options['paths'][0]}: set LOAD_PATHS in .env with --docker")
    if docker:
        engine.need()
    with Interrupt() as interrupt, Ports.choose(chosen) as ports:
        if docker:
            file = profile_file(profile)
            container_foreground.run(
                server,
                file,
                ports,
                interrupt,
                ERRORS,
                with_grafana=with_grafana,
                takes_faults=faults,
            )
        else:
            with live_runs(is_live=options["is_live"]) as shown:
                foreground.run(
                    out.absolute(),
                    server,
                    profile,
                    ports,
                    interrupt,
                    ERRORS,
                    takes_faults=faults,
                    serve=command,
                    paths=options["paths"] or ((TargetPath.parse(FRONT_PAGE),) if command else ()),
                    follow=shown.stack(profile),
                )
    sys.exit(ExitCode.PASSED)


@click.command()
def setup() -> NoReturn:
    """Find Prometheus and Alertmanager, and take the missing ones without root.

    They come from the package archive of Debian or Ubuntu and are unpacked into the user's cache
    (FIREDRILL_TOOLS names another folder). Elsewhere it says what to install, and exits 3.

    \b
    Example:
      firedrill setup
    """
    for package in programs.get_missing():
        ERRORS.say(f"took {package} into {places.TOOLS}")
    for name in programs.PACKAGES:
        click.echo(f"{name:13}{programs.find(name) or 'absent (optional)'}")
    sys.exit(ExitCode.PASSED)


@click.command()
@click.option(
    "--get",
    is_flag=True,
    help="Take missing programs first, as `firedrill setup` does.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(get: bool, as_json: bool) -> NoReturn:
    """Show what is installed, what is missing, and how to get it.

    Exits 3 if something needed is missing.

    \b
    Examples:
      firedrill doctor
      firedrill doctor --get
    """
    if get:
        for package in programs.get_missing():
            ERRORS.say(f"took {package} into {places.TOOLS}")
    findings = examine()
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        for finding in findings:
            OUTPUT.say(finding.line())
    sys.exit(ExitCode.MISSING if any(finding.is_fatal for finding in findings) else ExitCode.PASSED)
