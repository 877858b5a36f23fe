"""The command `init`: write the first files of a project's load test."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

from firedrill.cli.console import ERRORS
from firedrill.errors import BadInput, ExitCode
from firedrill.interrupt import Interrupt
from firedrill.project import application, openapi, routes, scaffold
from firedrill.serve.command import ServedCommand

ALL_ROUTES = "give --openapi FILE, or keep the application's packages in .venv here"
"""The way to a locustfile with all routes, where the application could not be imported."""


@click.command()
@click.option("--target", metavar="URL", help="Load this API. [default: where it is served]")
@click.option(
    "--openapi",
    "document",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take the routes from this OpenAPI file. [default: one that is found]",
)
@click.option("--compose", is_flag=True, help="Write the Docker stack as files of your own too.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def init(target: str | None, document: Path | None, compose: bool, yes: bool) -> NoReturn:
    """Write firedrill.toml, a locustfile and a first profile for the project in this folder.

    Looks for a Flask, FastAPI or Django application and for the command that serves it, which
    `firedrill run` then starts. The locustfile requests the routes that only read (GET). A process
    of its own imports the application to read them, unless there is an OpenAPI file. Files that
    exist are kept.

    \b
    Examples:
      firedrill init
      firedrill init --yes --target http://127.0.0.1:8000 --openapi openapi.json
      firedrill init --compose
    """
    root = Path.cwd()
    found = application.find(root)
    served = application.serve_command(root)
    if found:
        ERRORS.say(f"{found.framework} application {found.module}:{found.attribute}".rstrip(":"))
    command = served[0] if served else None
    if served:
        ERRORS.say(f"served by `{served[0]}` ({served[1]})")
    elif found:
        command = found.serve
    serve = _servable(served[0]) if served and not target else None
    target = target or f"http://127.0.0.1:{application.port_of(command or '')}"
    if not (yes or serve) and sys.stdin.isatty():
        target = click.prompt("URL of the API, when it runs", default=target, err=True)
    if not (target.startswith(("http://", "https://")) and target.isprintable()):
        raise BadInput(f"--target {target}: expected a URL such as http://127.0.0.1:8000")
    known = _routes(root, found, document)
    playable = sum(route.path is not None for route in known)
    if known:
        ERRORS.say(f"{playable} of {len(known)} routes that only read can be requested")
    written = [*scaffold.write(root, scaffold.files(target, command, known, serve=serve))]
    if compose:
        written.append(scaffold.write_stack(root, target))
    for file in written:
        click.echo(f"{'wrote' if file.is_new else 'kept '}  {file.path}")
    if serve:
        ERRORS.say("run: firedrill run; it starts your API by `serve` in firedrill.toml")
    else:
        by = f" with `{command}`" if command else ""
        ERRORS.say(f"start your API{by}, so that it answers at {target}; then: firedrill run")
    sys.exit(ExitCode.PASSED)


def _servable(command: str) -> str | None:
    """Return the command as `serve` takes it; None if it needs a shell, or is not installed."""
    text = application.without_shell(command)
    try:
        if text:
            ServedCommand(text).check()
    except BadInput as error:
        ERRORS.say(f"{error}; firedrill.toml has a target instead")
        return None
    return text


def _routes(
    root: Path, found: application.Application | None, document: Path | None
) -> list[openapi.Route]:
    """Return the routes of the OpenAPI file, else of the application; none if neither has any."""
    file = document or openapi.find(root)
    try:
        if file:
            ERRORS.say(f"routes from {file.name}")
            return openapi.routes(openapi.read(file))
        if found:
            with Interrupt() as interrupt:
                return routes.of_application(found, root, interrupt)
    except BadInput as error:
        if document:
            raise
        ERRORS.say(f"{error}; the locustfile requests / alone. For all routes: {ALL_ROUTES}")
    return []
