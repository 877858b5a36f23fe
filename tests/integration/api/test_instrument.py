"""`instrument` starts a metrics process, ends it, and leaves other instrumentation alone."""

import socket

import pytest
from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor

from firedrill.contract import LOOPBACK
from firedrill.errors import BadInput
from firedrill.telemetry import instrument, publisher
from tests.scraped_metrics import scrape
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


def test_a_taken_port_is_used_as_soon_as_it_is_free(app):
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        telemetry = instrument(app, port=port, tracing=False)
        telemetry.start()
        assert telemetry.url != f"http://{LOOPBACK}:{port}/metrics"
        assert scrape(telemetry.url).value("api_processes") == 1
    poll_until(lambda: publishes(port), "the metrics to move to the port that was asked for")
    telemetry.close()


def publishes(port):
    try:
        return scrape(f"http://{LOOPBACK}:{port}/metrics").value("api_processes") == 1
    except OSError:
        return False


def can_listen(port):
    try:
        publisher.listening_socket(LOOPBACK, port, "this test").close()
    except BadInput:
        return False
    return True
