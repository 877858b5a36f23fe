"""`instrument(app)`: the one call that measures a Flask application and publishes what it measured."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
from flask.helpers import get_debug_flag

from firedrill.contract import API_METRICS_PORT, LOOPBACK, Metric, Server
from firedrill.telemetry.cells import Cells
from firedrill.telemetry.middleware import Middleware
from firedrill.telemetry.publisher import Publisher
from firedrill.telemetry.sampler import Sampler

if TYPE_CHECKING:
    from flask import Flask

EXTENSION = "firedrill"
UNBOUNDED = "unbounded"
"""Threads of a server that starts one for each connection."""


class Telemetry:
    """What measures one application. `publisher` is None where nothing is served, so there is nothing to publish."""

    def __init__(self, cells: Cells, publisher: Publisher | None) -> None:
        self.cells = cells
        self.publisher = publisher
        self._sampler = Sampler(cells)
        self._sampler.start()

    @property
    def url(self) -> str:
        """Address of the metrics page; "nowhere" if there is none."""
        return f"http://{self.publisher.host}:{self.publisher.port}/metrics" if self.publisher else "nowhere"

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Publish a gauge that never changes again. Call it once for a set of labels."""
        self.cells.values[self.cells.reserve(metric, labels)] = value

    def close(self) -> None:
        """Stop sampling and publishing; the application goes on, and is still counted. For tests and for programs that go on without it."""
        self._sampler.stop()
        if self.publisher:
            self.publisher.close()


def instrument(app: Flask, *, port: int = API_METRICS_PORT, host: str = LOOPBACK, version: str = "unknown") -> Telemetry:
    """Measure `app` and publish http://host:port/metrics from a process of its own. Instrumenting an application twice changes nothing.

    Port 0 takes a free one, which `telemetry.publisher.port` tells. Raises BadInput if the port is taken. Under `flask run --reload` only
    the reloader's child publishes; under other commands of `flask`, which import the application but do not serve it, nothing does.
    """
    if EXTENSION in app.extensions:
        telemetry: Telemetry = app.extensions[EXTENSION]
        return telemetry
    cells = Cells.create()
    publisher = Publisher(cells, host, port, os.getpid()) if will_serve() else None
    telemetry = app.extensions[EXTENSION] = Telemetry(cells, publisher)
    telemetry.set(Server.BUILD_INFO, 1, version)
    if flask_command() == "run":
        telemetry.set(Server.SERVER_INFO, 1, "werkzeug", UNBOUNDED, "1")
    app.wsgi_app = Middleware(app.wsgi_app, cells)  # type: ignore[method-assign]  # as Flask documents it
    return telemetry


def flask_command() -> str | None:
    """The command of `flask` that imports this application, if one does."""
    context = click.get_current_context(silent=True)
    return context.info_name if context and os.environ.get("FLASK_RUN_FROM_CLI") == "true" else None


def will_serve() -> bool:
    """False for a `flask` command that only looks at the application, and for the reloader's parent, which never serves it itself."""
    command = flask_command()
    if command != "run" or os.environ.get("WERKZEUG_RUN_MAIN") == "true":
        return command in {None, "run"}
    reload = click.get_current_context().params.get("reload")
    return not (get_debug_flag() if reload is None else reload)
