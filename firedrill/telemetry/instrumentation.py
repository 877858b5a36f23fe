"""The call that measures an application and publishes its metrics: `instrument(app)`."""

from __future__ import annotations

import os
import sys
import weakref
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from firedrill.contract import API_METRICS_PORT, LOOPBACK, Metric, Server
from firedrill.errors import BadInput, FiredrillError, Missing
from firedrill.telemetry.application import identity
from firedrill.telemetry.middleware import frameworks
from firedrill.telemetry.publisher import Publisher, url
from firedrill.telemetry.runtime_sampler import Sampler
from firedrill.telemetry.servers import known_servers, server_report
from firedrill.telemetry.settings import Settings
from firedrill.telemetry.shared_cells import Cells
from firedrill.telemetry.warning_once import warn_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from flask import Flask

    from firedrill.telemetry.tracing import Tracing


class Telemetry:
    """The instrumentation of one application.

    `tracing` is None where it is off.
    """

    def __init__(self, settings: Settings | None, name: str) -> None:
        """Measure nothing with `settings` None."""
        self.tracing: Tracing | None = None
        self.cells = Cells(self._begin if settings else None)
        self._settings, self._name = settings, name
        self._publisher: Publisher | None = None
        self._sampler: Sampler | None = None
        _telemetries.add(self)

    def start(self) -> None:
        """Begin to publish in this process, as its first request would. It waits for nothing.

        For programs that know that they serve.
        """
        self.cells.enter()

    def _begin(self) -> None:
        """Publish the cells of this process. Called once in each process that serves."""
        settings = self._settings
        if settings is None:
            return
        if self._publisher:
            self._after_fork()  # forked without Python's hooks
        self._publisher = Publisher(self.cells, settings, identity.key(settings, self._name))
        self._publisher.tend()
        try:
            self._sampler = Sampler(self.cells, self._publisher.tend)
            self._sampler.start()
        except (MemoryError, RuntimeError) as error:  # no room, or no thread
            warn_once("the interpreter is not sampled", error)

    def _after_fork(self) -> None:
        """Leave the parent's threads and sockets to the parent."""
        if self._publisher:
            self._publisher.after_fork()
        if self._sampler:
            self._sampler.stop()
        self._publisher = self._sampler = None

    @property
    def url(self) -> str:
        """Address of the metrics endpoint, for which it waits.

        It is "nowhere" before the first request.
        """
        address = self._publisher.address() if self._publisher else None
        return url(address) if address else "nowhere"

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Publish a gauge that never changes again, in this process and in those it forks."""
        with suppress(MemoryError):
            self.cells.set_constant(self.cells.reserve(metric, labels), value)

    def close(self) -> None:
        """Stop sampling, tracing and publishing.

        The application goes on and is still counted. For tests and programs that go on.
        """
        if self._sampler:
            self._sampler.stop()
        if self.tracing:
            self.tracing.close()
        if self._publisher:
            self._publisher.close()
        if self._settings:
            _of_address.pop(self._settings, None)


class Instrumented(Telemetry):
    """The telemetry of one application, and what a server may call in place of the application.

    Applications of one address share a telemetry.
    """

    def __init__(self, app: Callable[..., Any], telemetry: Telemetry) -> None:
        self.app = app
        self._telemetry = telemetry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._telemetry, name)

    def __call__(self, *arguments: Any) -> Any:
        """Serve one request."""
        return self.app(*arguments)


class InstrumentedAsgi(Instrumented):
    """The same of an ASGI application, which servers recognise by this method."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        await self.app(scope, receive, send)


_telemetries: weakref.WeakSet[Telemetry] = weakref.WeakSet()


def _leave_to_parent() -> None:
    for telemetry in list(_telemetries):
        telemetry._after_fork()  # noqa: SLF001 -- this module's own


os.register_at_fork(after_in_child=_leave_to_parent)

_of_address: dict[Settings, Telemetry] = {}
"""Applications of one process that ask for one address, as a test suite does, share its metrics."""


def instrument(
    app: Any,
    *,
    port: int = API_METRICS_PORT,
    host: str = LOOPBACK,
    version: str = "unknown",
    tracing: bool | None = None,
    shed_after: float | None = None,
) -> Instrumented:
    """Measure `app`, and publish http://host:port/metrics from a process of its own.

    An application object of Flask, Quart, Starlette, FastAPI or Litestar is changed in place. Of
    any other WSGI or ASGI callable, serve what this returns: `app = instrument(app)`.

    It never raises, and whatever fails later, the application answers as before; a warning of the
    logger "firedrill" says what is not measured. Nothing is started before the first request, so a
    process that only imports the application stays as it was. Each process of a server measures
    itself, and one endpoint adds them up. If the address is taken, the endpoint uses a free port
    until it can have it. Port 0 takes a free one: `telemetry.url` names it.

    The variables FIREDRILL_METRICS_PORT, FIREDRILL_METRICS_HOST and FIREDRILL_METRICS_DIR go before
    the arguments (firedrill/telemetry/settings.py). Instrumenting an application twice changes
    nothing.

    With `tracing` None, requests of a Flask application are traced where the environment names a
    collector (OTEL_EXPORTER_OTLP_ENDPOINT). An application that OpenTelemetry instruments already
    keeps the traces it has, and gets no exemplars.

    A request that waited for longer than `shed_after` seconds is answered 503 with Retry-After,
    before its handler runs (firedrill/telemetry/load_shedding.py); None refuses none.
    """
    try:
        known = app if isinstance(app, Instrumented) else frameworks.instrumentation_of(app)
        if isinstance(known, Instrumented):
            return known
        return _instrument(app, host, port, version, tracing, shed_after)
    except Exception as error:  # noqa: BLE001 -- the application shall go on, whatever fails here
        warn_once("the application is not measured", error)
        kind = InstrumentedAsgi if frameworks.is_coroutine_function(app) else Instrumented
        return kind(app, Telemetry(None, ""))


def _instrument(
    app: Any,
    host: str,
    port: int,
    version: str,
    tracing: bool | None,
    shed_after: float | None,
) -> Instrumented:
    kind = InstrumentedAsgi if frameworks.interface(app) == "asgi" else Instrumented
    settings = Settings.from_environment(os.environ, host, port)
    telemetry = _of_address.get(settings) or Telemetry(settings, frameworks.name(app))
    if settings.port:
        _of_address[settings] = telemetry
    telemetry.set(Server.BUILD_INFO, 1, version)
    traced = started_tracing_or_none(app, version, tracing)
    telemetry.tracing = traced or telemetry.tracing
    serve = traced.serve if traced else None
    served = frameworks.install(app, telemetry.cells, serve, shed_after)
    instrumented = kind(served, telemetry)
    frameworks.remember(app, instrumented)
    if will_serve():
        known_servers.watch()
        server_report.report_to(telemetry.cells)
    return instrumented


def started_tracing_or_none(app: Any, version: str, asked: bool | None) -> Tracing | None:
    """Start tracing if it is wanted and can be had."""
    try:
        if will_serve() and wants_tracing(os.environ, asked) and can_trace(app):
            return started_tracing(app, version)
    except FiredrillError as error:
        warn_once("requests are not traced", error)
    return None


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


def can_trace(app: object) -> bool:
    """Return whether an application is Flask's, and not instrumented by OpenTelemetry already."""
    return frameworks.is_flask(app) and not getattr(app, "_is_instrumented_by_opentelemetry", False)


def check_tracing(environ: Mapping[str, str]) -> None:
    """Raise BadInput or Missing if the environment asks for traces that cannot be had."""
    if wants_tracing(environ, None):
        tracing_module().chosen_sampler(environ)


def tracing_module() -> ModuleType:
    """Return firedrill.telemetry.tracing. Raises Missing without its packages."""
    try:
        return import_module(
            "firedrill.telemetry.tracing"
        )  # who does not trace may lack OpenTelemetry
    except ImportError as error:
        raise Missing(
            f"tracing needs {error.name}: pip install 'api-firedrill[tracing]',"
            " or set OTEL_TRACES_EXPORTER=none"
        ) from error


def started_tracing(app: Flask, version: str) -> Tracing:
    """Start tracing. Raises Missing without its packages."""
    tracing: Tracing = tracing_module().start_tracing(app, version)
    return tracing


def flask_command() -> str | None:
    """Return the command of `flask` that imports this application, or None."""
    context = command_context()
    return context.info_name if context and os.environ.get("FLASK_RUN_FROM_CLI") == "true" else None


def command_context() -> Any:
    """Return the context of the running command; None if click does not run it."""
    click: Any = sys.modules.get("click")
    return click.get_current_context(silent=True) if click else None


def will_serve() -> bool:
    """Return whether this process serves the application.

    A `flask` command that only looks at it does not, nor does the reloader's parent.
    """
    command = flask_command()
    if command != "run" or os.environ.get("WERKZEUG_RUN_MAIN") == "true":
        return command in {None, "run"}
    reload = command_context().params.get("reload")
    return not (sys.modules["flask.helpers"].get_debug_flag() if reload is None else reload)
