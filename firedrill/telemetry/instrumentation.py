"""The call that measures a Flask application and publishes its metrics: `instrument(app)`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
from flask.helpers import get_debug_flag

from firedrill.contract import API_METRICS_PORT, LOOPBACK, Metric, Server
from firedrill.errors import BadInput, Missing
from firedrill.telemetry.middleware import Middleware
from firedrill.telemetry.publisher import Publisher
from firedrill.telemetry.runtime_sampler import Sampler
from firedrill.telemetry.shared_cells import Cells

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

    from firedrill.telemetry.tracing import Tracing

EXTENSION = "firedrill"
UNBOUNDED = "unbounded"
"""Label of a server that starts a thread for each connection."""


class Telemetry:
    """The instrumentation of one application.

    `publisher` is None where nothing is served and so nothing is published. `tracing` is None where
    it is off.
    """

    def __init__(
        self, cells: Cells, publisher: Publisher | None, tracing: Tracing | None = None
    ) -> None:
        self.cells = cells
        self.publisher = publisher
        self.tracing = tracing
        self._sampler = Sampler(cells)
        self._sampler.start()

    @property
    def url(self) -> str:
        """Address of the metrics endpoint; "nowhere" if there is none."""
        return (
            f"http://{self.publisher.host}:{self.publisher.port}/metrics"
            if self.publisher
            else "nowhere"
        )

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Publish a gauge that never changes again. Call it once for a set of labels."""
        self.cells.values[self.cells.reserve(metric, labels)] = value

    def close(self) -> None:
        """Stop sampling, tracing and publishing.

        The application goes on and is still counted. For tests and programs that go on.
        """
        self._sampler.stop()
        if self.tracing:
            self.tracing.close()
        if self.publisher:
            self.publisher.close()


def instrument(
    app: Flask,
    *,
    port: int = API_METRICS_PORT,
    host: str = LOOPBACK,
    version: str = "unknown",
    tracing: bool | None = None,
) -> Telemetry:
    """Measure `app` and publish http://host:port/metrics from a process of its own.

    Instrumenting an application twice changes nothing. Port 0 takes a free one, which is
    `telemetry.publisher.port`. Raises BadInput if the port is taken. Under `flask run --reload`
    only the reloader's child publishes. Other commands of `flask` import the application but do not
    serve it, so they publish nothing.

    With `tracing` None, requests are traced where the environment names a collector
    (OTEL_EXPORTER_OTLP_ENDPOINT). Raises Missing without OpenTelemetry. An application that
    OpenTelemetry instruments already keeps the traces it has, and gets no exemplars.
    """
    if EXTENSION in app.extensions:
        telemetry: Telemetry = app.extensions[EXTENSION]
        return telemetry
    cells, serving = Cells.create(), will_serve()
    traced = (
        started_tracing(app, version)
        if serving and wants_tracing(os.environ, tracing) and not traces_already(app)
        else None
    )
    publisher = Publisher(cells, host, port, os.getpid()) if serving else None
    telemetry = app.extensions[EXTENSION] = Telemetry(cells, publisher, traced)
    telemetry.set(Server.BUILD_INFO, 1, version)
    if flask_command() == "run":
        telemetry.set(Server.SERVER_INFO, 1, "werkzeug", UNBOUNDED, "1")
    app.wsgi_app = Middleware(traced.serve if traced else app.wsgi_app, cells)  # type: ignore[method-assign]  # as Flask documents it
    return telemetry


def wants_tracing(environ: Mapping[str, str], asked: bool | None) -> bool:
    """Return whether to trace: if it was asked for, or else if a collector is named.

    OpenTelemetry's own switches can forbid it. Raises BadInput for an exporter or a
    protocol that is not OTLP over HTTP.
    """
    exporter = environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    named = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get(
        "OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    if (
        exporter == "none"
        or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        or not (named if asked is None else asked)
    ):
        return False
    if exporter != "otlp":
        raise BadInput(f"OTEL_TRACES_EXPORTER is {exporter!r}; expected otlp or none")
    protocol = (
        environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "http/protobuf"
    )
    if protocol != "http/protobuf":
        raise BadInput(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r};"
            " expected http/protobuf, or OTEL_TRACES_EXPORTER=none"
        )
    return True


def traces_already(app: Flask) -> bool:
    """Return whether OpenTelemetry instruments the application already."""
    return bool(getattr(app, "_is_instrumented_by_opentelemetry", False))


def started_tracing(app: Flask, version: str) -> Tracing:
    """Start tracing. Raises Missing without its packages."""
    try:
        from firedrill.telemetry.tracing import start_tracing  # noqa: PLC0415 -- who does not trace may lack OpenTelemetry
    except ImportError as error:
        raise Missing(
            f"tracing needs {error.name}: pip install 'api-firedrill[tracing]',"
            " or set OTEL_TRACES_EXPORTER=none"
        ) from error
    return start_tracing(app, version)


def flask_command() -> str | None:
    """Return the command of `flask` that imports this application, or None."""
    context = click.get_current_context(silent=True)
    return context.info_name if context and os.environ.get("FLASK_RUN_FROM_CLI") == "true" else None


def will_serve() -> bool:
    """Return whether this process serves the application.

    A `flask` command that only looks at it does not, nor does the reloader's parent.
    """
    command = flask_command()
    if command != "run" or os.environ.get("WERKZEUG_RUN_MAIN") == "true":
        return command in {None, "run"}
    reload = click.get_current_context().params.get("reload")
    return not (get_debug_flag() if reload is None else reload)
