"""The WSGI middleware changes nothing that a server or a client could see."""

import io
import sys
from wsgiref.handlers import SimpleHandler

import pytest
from flask import Flask, send_file
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import EnvironBuilder, run_wsgi_app
from werkzeug.wsgi import FileWrapper

from firedrill.telemetry.middleware import routes
from firedrill.telemetry.middleware.request_metrics import RequestMetrics
from firedrill.telemetry.middleware.wsgi import WsgiMiddleware
from tests.unit.telemetry.counted_requests import CountedRequests

HELLO = [("Content-Type", "text/plain")]


@pytest.fixture
def counted():
    return CountedRequests()


def measured(app, counted):
    return WsgiMiddleware(app, RequestMetrics(counted.cells))


def environ_of(path="/", **parts):
    return {**EnvironBuilder(path).get_environ(), **parts}


def served(app, **parts):
    """Return all bytes of an answer, headers included, as wsgiref's server sends them."""
    sent = io.BytesIO()
    handler = SimpleHandler(io.BytesIO(), sent, io.StringIO(), environ_of(**parts))
    handler.run(app)
    return sent.getvalue()


def one_part(_environ, start_response):
    start_response("200 OK", HELLO)
    return [b"hello"]


def two_parts(_environ, start_response):
    start_response("201 Created", HELLO)
    return (b"hel", b"lo")


def no_part(_environ, start_response):
    start_response("204 No Content", [])
    return []


def late_start(_environ, start_response):
    start_response("202 Accepted", HELLO)
    yield b"late"


def by_write(_environ, start_response):
    write = start_response("200 OK", HELLO)
    write(b"written ")
    return [b"and returned"]


def replaced(_environ, start_response):
    start_response("200 OK", HELLO)
    try:
        b"".index(b"a")
    except ValueError:
        start_response("503 Busy", HELLO, sys.exc_info())
    return [b"sorry"]


def of_own_file_wrapper(environ, start_response):
    start_response("200 OK", HELLO)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"file"), 2)


@pytest.mark.parametrize(
    ("app", "status"),
    [
        (one_part, "200"),
        (two_parts, "201"),
        (no_part, "204"),
        (late_start, "202"),
        (by_write, "200"),
        (replaced, "503"),
        (of_own_file_wrapper, "200"),
    ],
)
def test_every_byte_of_an_answer_stays_the_same(counted, app, status):
    assert served(measured(app, counted)) == served(app)
    assert counted.requests() == {("GET", "none", status): 1}
    assert counted.active() == 0


@pytest.mark.parametrize("body", [b"whole", "whole", None])
def test_a_body_that_is_no_iterable_object_is_handed_on(counted, body):
    def app(_environ, start_response):
        start_response("200 OK", HELLO)
        return body

    assert measured(app, counted)(environ_of(), lambda *_: None) is body
    assert counted.requests() == {("GET", "none", "200"): 1}


def test_a_broken_off_body_is_closed_once(counted):
    closed = []

    class Body:
        def __iter__(self):
            return self

        def __next__(self):
            return b"part"

        def close(self):
            closed.append(True)

    def app(_environ, start_response):
        start_response("200 OK", HELLO)
        return Body()

    body = measured(app, counted)(environ_of(), lambda *_: None)
    next(iter(body))
    body.close()
    del body
    assert closed == [True]
    assert counted.requests() == {("GET", "none", "200"): 1}


class OwnKind(FileWrapper):
    """The class of a server that sends files by itself."""


def by_class(file, block_size=8192):
    return OwnKind(file, block_size)


def by_identity(file, _block_size=8192):
    """Do as uWSGI does: remember the file, and return it."""
    return file


def by_generator(file, block_size=8192):
    return iter(lambda: file.read(block_size), b"")


@pytest.mark.parametrize("wrapper", [OwnKind, by_class, by_identity, by_generator])
def test_a_sent_file_is_timed_until_the_server_closes_it(counted, wrapper, clock):
    app = Flask("files")
    content = io.BytesIO(b"content")
    app.get("/file")(lambda: send_file(content, mimetype="text/plain"))
    app.wsgi_app = measured(app.wsgi_app, counted)
    environ = environ_of("/file", **{"wsgi.file_wrapper": wrapper})
    body = app(environ, lambda *_: None)
    assert environ["wsgi.file_wrapper"] is wrapper
    assert counted.requests() == {}
    clock.advance(2)
    assert b"".join(body) == b"content"
    body.close()
    assert content.closed or wrapper is by_generator
    assert counted.requests() == {("GET", "/file", "200"): 1}
    assert counted.scrape().value("http_server_request_duration_seconds_sum") == 2


@pytest.mark.parametrize("wrapper", [OwnKind, by_identity])
def test_a_server_recognises_the_file_that_it_wrapped(counted, wrapper):
    wrapped = []

    def app(environ, start_response):
        start_response("200 OK", HELLO)
        wrapped.append(environ["wsgi.file_wrapper"](io.BytesIO(b"content")))
        return wrapped[0]

    environ = environ_of(**{"wsgi.file_wrapper": wrapper})
    assert measured(app, counted)(environ, lambda *_: None) is wrapped[0]


@pytest.mark.parametrize(
    ("mount", "path", "route"),
    [
        ("/shop", "/shop/items/7", "/shop/items/<int:number>"),
        ("/l\u00e4den", "/l\u00e4den/items/7", "/l\u00e4den/items/<int:number>"),
        ("/shop", "/shop/nowhere", "none"),
        ("/shop", "/items/7", "none"),
    ],
)
def test_a_mounted_application_keeps_its_prefix(counted, mount, path, route):
    app = Flask("shop")
    app.get("/items/<int:number>")(lambda number: f"item {number}")
    mounts = {mount.encode().decode("latin-1"): app}  # as WSGI hands a path over
    root = measured(DispatcherMiddleware(Flask("root"), mounts), counted)
    run_wsgi_app(root, environ_of(path))[0].close()
    assert [labels[1] for labels in counted.requests()] == [route]


def test_an_application_within_a_measured_one_counts_once(counted):
    inner = CountedRequests()
    app = measured(measured(one_part, inner), counted)
    served(app)
    assert counted.requests() == {("GET", "none", "200"): 1}
    assert inner.requests() == {}


@pytest.mark.parametrize("end", [StopIteration, ConnectionError])
def test_a_websocket_over_wsgi_is_a_session_without_latency(counted, clock, end):
    """It is what flask-sock raises when a session over the server's socket has ended."""
    during = []
    app = Flask("sockets")

    class Ended:
        def __call__(self, *_):
            raise end

    @app.get("/feed/<name>")
    def feed(name):
        clock.advance(60)
        during.append(counted.scrape().value("http_server_active_websocket_sessions"))
        response = app.response_class(name)
        response.__class__ = type("Response", (app.response_class,), {"__call__": Ended.__call__})
        return response

    app.wsgi_app = measured(app.wsgi_app, counted)
    with pytest.raises(end):
        app(environ_of("/feed/x", HTTP_UPGRADE="WebSocket"), lambda *_: None)
    metrics = counted.scrape()
    assert during == [1]
    assert counted.requests() == {("GET", "/feed/<name>", "101"): 1}
    assert metrics.value("http_server_request_duration_seconds_sum") == 0
    assert metrics.value("http_server_websocket_sessions_total", http_route="/feed/<name>") == 1
    assert counted.active() == 0


def test_a_refused_upgrade_is_an_ordinary_request(counted):
    served(measured(no_part, counted), HTTP_UPGRADE="websocket")
    assert counted.requests() == {("GET", "none", "204"): 1}
    assert counted.scrape().total("http_server_websocket_sessions_total") == 0


@pytest.mark.parametrize("status", ["TEAPOT", "", "0 TEAPOT", "2x0 OK"])
def test_a_malformed_status_is_other(counted, status):
    def app(_environ, start_response):
        start_response(status or " ", HELLO)
        return []

    measured(app, counted)(environ_of(), lambda *_: None).close()
    assert counted.requests() == {("GET", "none", "other"): 1}


def test_a_failing_measurement_changes_no_answer(counted):
    app = measured(one_part, counted)
    app.metrics._routes = app.metrics._active = None
    assert served(app) == served(one_part)
    assert counted.requests() == {}


@pytest.mark.parametrize(
    ("route", "template"),
    [
        ("items/<int:number>/", "/items/<int:number>/"),
        (r"^items/(?P<slug>[^/]+)/$", "/items/(?P<slug>[^/]+)/"),
        (r"api/^old/\Z", "/api/old/"),
        ("", "/"),
    ],
)
def test_routes_of_django_become_templates(route, template):
    assert routes.django_template(route) == template
