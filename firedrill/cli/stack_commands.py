"""`up` and `doctor`: the stack in the foreground, and what it needs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from firedrill.cli.console import ERRORS, OUTPUT
from firedrill.cli.options import (
    asked_ports,
    connections_option,
    docker_option,
    out_option,
    port_options,
    server_of,
    server_option,
    threads_option,
)
from firedrill.doctor import examine
from firedrill.errors import ExitCode
from firedrill.interrupt import Interrupt
from firedrill.processes import programs
from firedrill.profile import load_profile, profile_file
from firedrill.stack import foreground
from firedrill.stack.containers import container_foreground, engine
from firedrill.stack.plan import PORT_OPTIONS, Ports

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.option(
    "--profile",
    default="soak",
    show_default=True,
    help="The load that starts by itself; Locust's page steers it.",
)
@server_option
@threads_option
@connections_option
@out_option
@port_options(*PORT_OPTIONS)
@docker_option
@click.option(
    "--grafana/--no-grafana",
    "with_grafana",
    default=True,
    help="With --docker: start Grafana too. [default: grafana]",
)
@click.option("--faults", is_flag=True, help="Let `firedrill fault set` break the API.")
def up(
    profile: str, out: Path, docker: bool, with_grafana: bool, faults: bool, **options: Any
) -> NoReturn:
    """The stack in the foreground: API, Locust with its page, Prometheus; Alertmanager and Grafana where they are. Ctrl-C stops it.

    \b
    Examples:
      firedrill up
      firedrill up --profile spike --server dev
      firedrill up --docker --faults
    """
    if load_profile(profile).faults:
        ERRORS.say(f"{profile}: `up` does not set its faults; use `firedrill fault set`", "dim")
    server, chosen = (
        server_of(options["server"], options["threads"], options["connection_limit"]),
        asked_ports(options),
    )
    with Interrupt() as interrupt:
        if docker:
            engine.need()
            file = profile_file(profile)
            ports = Ports.choose(chosen)
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
            foreground.run(
                out.absolute(),
                server,
                profile,
                Ports.choose(chosen),
                interrupt,
                ERRORS,
                takes_faults=faults,
            )
    sys.exit(ExitCode.PASSED)


@click.command()
@click.option(
    "--get",
    is_flag=True,
    help="Take what is missing from Debian's packages, into .tools/: no root, nothing installed.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(get: bool, as_json: bool) -> NoReturn:
    """What is there, what is missing, and how to get it. Exits 3 if something needed is missing."""
    if get:
        for package in programs.get_missing():
            ERRORS.say(f"took {package} into .tools/")
    findings = examine()
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        for finding in findings:
            OUTPUT.say(finding.line())
    sys.exit(ExitCode.MISSING if any(finding.is_fatal for finding in findings) else ExitCode.PASSED)
