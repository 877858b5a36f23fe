"""The application factory: a plain Flask application and the call that instruments it."""

from __future__ import annotations

import logging
import os

from flask import Flask

from api import fault_effects
from api.api_settings import Settings
from api.items import Items
from api.routes import MAX_BODY_BYTES, routes
from api.servers import SERVES_VARIABLE
from firedrill import __version__
from firedrill.contract import API_METRICS_PORT
from firedrill.telemetry import instrument
from firedrill.telemetry.active_faults import ActiveFaults
from firedrill.telemetry.instrumentation import check_tracing


def create_app(settings: Settings | None = None) -> Flask:
    """Return the instrumented example; settings come from the environment unless given.

    Raises BadInput for settings that make no sense, and Missing if traces are wanted without
    OpenTelemetry: an example that starts with less than it was told would mislead.
    """
    settings = settings or Settings.from_environment(os.environ)
    check_tracing(os.environ)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.register_blueprint(routes(settings, Items()))
    port = API_METRICS_PORT if settings.metrics_port is None else settings.metrics_port
    telemetry = instrument(
        app,
        port=port,
        host=settings.metrics_host or settings.host,
        version=__version__,
        shed_after=settings.shed_after_seconds,
    )
    if os.environ.get(SERVES_VARIABLE) == "1":
        telemetry.start()
    if settings.faults:
        fault_effects.install(app, ActiveFaults.create(telemetry.cells), port)
    if not settings.access_log:
        logging.getLogger("werkzeug").addFilter(is_no_access_line)
    return app


def is_no_access_line(record: logging.LogRecord) -> bool:
    """Return False for the line that werkzeug logs for each request, True for its other lines."""
    return '"%s" %s %s' not in str(record.msg)
