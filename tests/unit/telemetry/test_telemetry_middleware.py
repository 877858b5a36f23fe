"""The middleware counts the requests of real Flask applications and changes none."""

import threading

import pytest
from flask import Flask, Response, stream_with_context
from werkzeug.test import run_wsgi_app

from firedrill.contract import RUN_ID_HEADER
from firedrill.telemetry.middleware.request_metrics import (
    ACCEPTED,
    MAX_LABEL_SETS,
    MAX_RUN_IDS,
    RequestMetrics,
)
from firedrill.telemetry.middleware.wsgi import WsgiMiddleware
from tests.unit.telemetry.counted_requests import CountedRequests


class Measured(CountedRequests):
    """A Flask application, its middleware, and its metrics without a server."""

    def __init__(self):
        super().__init__()
        self.app = Flask("measured")
        self.app.wsgi_app = WsgiMiddleware(self.app.wsgi_app, RequestMetrics(self.cells))

    def send(self, path, **how):
        """Return a response, read and closed as a server does it."""
        return self.app.test_client().open(path, buffered=True, **how)


@pytest.fixture
def measured():
    measured = Measured()
    app = measured.app
    app.get("/items/<int:number>", endpoint="items")(lambda number: f"item {number}")
    app.get("/broken", endpoint="broken")(lambda: 1 / 0)
    app.get("/stream", endpoint="stream")(lambda: Response(str(number) for number in range(5)))
    return measured


def test_the_route_is_the_rule_or_none(measured):
    for path in ("/items/1", "/items/2", "/nowhere", "/elsewhere", "/items/x"):
        measured.send(path)
    assert measured.requests() == {
        ("GET", "/items/<int:number>", "200"): 2,
        ("GET", "none", "404"): 3,
    }


def test_head_is_counted_as_head_and_unknown_methods_as_other(measured):
    measured.send("/items/1", method="HEAD")
    measured.send("/items/1", method="BREW")
    measured.send("/items/1", method="COFFEE")
    assert measured.requests() == {
        ("HEAD", "/items/<int:number>", "200"): 1,
        ("_OTHER", "none", "405"): 2,
    }


def test_a_raising_handler_is_a_500_on_its_route(measured):
    measured.send("/broken")
    assert measured.requests() == {("GET", "/broken", "500"): 1}


def test_an_exception_that_leaves_flask_is_counted_and_passed_on(measured):
    measured.app.testing = True
    with pytest.raises(ZeroDivisionError):
        measured.send("/broken")
    assert measured.requests() == {("GET", "/broken", "500"): 1}
    assert measured.scrape().total("http_server_active_requests") == 0


def test_a_streaming_response_is_active_until_it_is_closed(measured):
    response = measured.app.test_client().get("/stream")
    chunks = response.iter_encoded()
    next(chunks)
    during = measured.scrape().total("http_server_active_requests")
    assert measured.requests() == {}
    response.close()
    assert during == 1
    assert measured.requests() == {("GET", "/stream", "200"): 1}
    assert measured.scrape().total("http_server_active_requests") == 0


def test_a_stream_that_breaks_is_a_failure_whatever_it_announced(measured):
    def halves():
        yield "half"
        raise OSError("the disk is gone")

    measured.app.get("/halves", endpoint="halves")(lambda: Response(stream_with_context(halves())))
    with pytest.raises(OSError, match="the disk is gone"):
        measured.send("/halves")
    assert measured.requests() == {("GET", "/halves", "500"): 1}


def test_a_response_closed_twice_is_counted_once(measured):
    body, _, _ = run_wsgi_app(
        measured.app, measured.app.test_request_context("/items/1").request.environ
    )
    body.close()
    body.close()
    assert measured.requests() == {("GET", "/items/<int:number>", "200"): 1}


def test_response_time_begins_when_the_server_accepted(measured, clock):
    environ = measured.app.test_request_context("/items/1").request.environ
    environ[ACCEPTED] = clock() - 3
    run_wsgi_app(measured.app, environ)[0].close()
    metrics = measured.scrape()
    assert metrics.value("http_server_response_time_seconds_sum") == 3
    assert metrics.value("http_server_request_duration_seconds_sum") == 0


def test_requests_count_towards_their_run_and_probes_do_not(measured):
    for headers in (
        {RUN_ID_HEADER: "2026-spike.1"},
        {RUN_ID_HEADER: "2026-spike.1"},
        {RUN_ID_HEADER: 'a"b'},
        {RUN_ID_HEADER: "x" * 65},
        {},
    ):
        measured.send("/items/1", headers=headers)
    metrics = measured.scrape()
    assert metrics.value("firedrill_run_requests_total", run_id="2026-spike.1") == 2
    assert metrics.value("firedrill_run_requests_total", run_id="other") == 2
    assert metrics.total("firedrill_run_requests_total") == 4


def test_run_ids_beyond_the_cap_are_other(measured):
    for number in range(MAX_RUN_IDS + 5):
        measured.send("/items/1", headers={RUN_ID_HEADER: f"run-{number}"})
    assert len(measured.scrape().values("firedrill_run_requests_total")) == MAX_RUN_IDS + 1
    assert measured.scrape().value("firedrill_run_requests_total", run_id="other") == 5


def test_label_sets_are_capped_and_errors_keep_their_status(measured):
    measured.app.get("/status/<int:code>", endpoint="status")(lambda code: ("", code))
    for code in range(200, 200 + MAX_LABEL_SETS + 10):
        measured.send(f"/status/{code}")
    folded = {
        labels: count for labels, count in measured.requests().items() if labels[1] == "other"
    }
    assert sum(measured.requests().values()) == MAX_LABEL_SETS + 10
    assert folded == {("other", "other", str(code)): 1 for code in range(400, 410)}


def test_counts_are_exact_under_sixteen_threads(measured):
    def send():
        for number in range(50):
            measured.send(f"/items/{number}", headers={RUN_ID_HEADER: "run"})

    threads = [threading.Thread(target=send) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert measured.requests() == {("GET", "/items/<int:number>", "200"): 800}
    assert measured.scrape().value("firedrill_run_requests_total", run_id="run") == 800
    assert measured.scrape().total("http_server_active_requests") == 0
