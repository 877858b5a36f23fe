"""`instrument` starts a metrics process, ends it, and leaves other instrumentation alone."""

import pytest
from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor

from firedrill.contract import LOOPBACK
from firedrill.errors import BadInput
from firedrill.telemetry import instrument, publisher
from tests.waiting import poll_until


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


def test_the_port_is_free_once_the_last_process_has_closed(app):
    telemetry = instrument(app, port=0, tracing=False)
    telemetry.start()
    port = int(telemetry.url.split(":")[2].partition("/")[0])
    telemetry.close()
    poll_until(lambda: can_listen(port), "the metrics port to be free")


def can_listen(port):
    try:
        publisher.listening_socket(LOOPBACK, port, "this test").close()
    except BadInput:
        return False
    return True
