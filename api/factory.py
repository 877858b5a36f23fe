"""The application factory: a plain Flask application, and one call that makes it observable."""

from __future__ import annotations

import logging
import os

from flask import Flask

from api import fault_effects
from api.api_settings import Settings
from api.items import Items
from api.routes import MAX_BODY_BYTES, routes
from firedrill import __version__
from firedrill.contract import API_METRICS_PORT
from firedrill.telemetry import instrument
from firedrill.telemetry.active_faults import Board


def create_app(settings: Settings | None = None) -> Flask:
    """The example, instrumented. Settings come from the environment unless given. Raises BadInput, for a taken metrics port as well."""
    settings = settings or Settings.from_environment(os.environ)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.register_blueprint(routes(settings, Items()))
    port = API_METRICS_PORT if settings.metrics_port is None else settings.metrics_port
    telemetry = instrument(
        app, port=port, host=settings.metrics_host or settings.host, version=__version__
    )
    if settings.faults:
        fault_effects.install(app, Board.create(telemetry.cells))
    if not settings.access_log:
        logging.getLogger("werkzeug").addFilter(is_no_access_line)
    return app


def is_no_access_line(record: logging.LogRecord) -> bool:
    """False for the line that werkzeug logs for each request; its start-up lines and errors stay."""
    return '"%s" %s %s' not in str(record.msg)
