"""`instrument` starts a metrics process, ends it, and leaves other instrumentation alone."""

import signal

import pytest
from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor

from firedrill.contract import LOOPBACK
from firedrill.telemetry import instrument, publisher


@pytest.fixture
def app():
    return Flask("theirs")


def test_an_already_instrumented_application_is_left_alone(app):
    FlaskInstrumentor().instrument_app(app)
    hooks = dict(app.before_request_funcs)
    telemetry = instrument(app, port=0, tracing=True)
    telemetry.close()
    assert telemetry.tracing is None
    assert app.before_request_funcs == hooks


def test_closing_ends_a_metrics_process_that_hangs(app, monkeypatch):
    monkeypatch.setattr(publisher, "STOP_SECONDS", 0.2)
    telemetry = instrument(app, port=0, tracing=False)
    telemetry.publisher._process.send_signal(signal.SIGSTOP)
    telemetry.close()
    assert telemetry.publisher._process.returncode == -signal.SIGKILL
    publisher.listening_socket(LOOPBACK, telemetry.publisher.port, "this test").close()
