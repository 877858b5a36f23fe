"""Load shedding: late requests are refused before their handler runs, and counted."""

import asyncio
import threading
import time

import pytest

from firedrill.contract import Server
from firedrill.errors import BadInput
from firedrill.telemetry.load_shedding import BODY, AsgiShedding, WsgiShedding
from firedrill.telemetry.middleware import frameworks
from firedrill.telemetry.middleware.request_metrics import ACCEPTED
from firedrill.telemetry.shared_cells import Cells

LATE_SECONDS = 1000.0
PATIENT_SECONDS = 500.0
"""Far more than a machine stalls."""


def answer(environ, start_response):
    """Answer as a WSGI application."""
    start_response("200 OK", [])
    return [b"hello"]


def shed(cells):
    """Return the requests that were shed."""
    return cells.values[cells.reserve(Server.REQUESTS_SHED)]


def call(app, **environ):
    """Call a WSGI application; return status, headers and body."""
    answered = []
    body = app({"REQUEST_METHOD": "GET", **environ}, lambda *answer, **_: answered.append(answer))
    text = b"".join(body)
    if hasattr(body, "close"):
        body.close()  # as servers do
    ((status, headers),) = answered
    return status, dict(headers), text


@pytest.fixture
def cells():
    """Return the cells of a process that has begun to serve."""
    begun = Cells()
    begun.enter()
    return begun


def test_a_late_request_is_refused_before_its_handler(cells):
    app = WsgiShedding(answer, cells, PATIENT_SECONDS)
    status, headers, body = call(app, **{ACCEPTED: time.perf_counter() - LATE_SECONDS})
    assert (status, body) == ("503 Service Unavailable", BODY)
    assert (headers["Retry-After"], headers["Content-Length"]) == ("1", str(len(BODY)))
    assert shed(cells) == 1


@pytest.mark.parametrize("environ", [{}, {ACCEPTED: float("inf")}])
def test_other_requests_are_served(cells, environ):
    assert call(WsgiShedding(answer, cells, PATIENT_SECONDS), **environ) == ("200 OK", {}, b"hello")
    assert shed(cells) == 0


def test_a_refused_head_request_has_no_body(cells):
    app = WsgiShedding(answer, cells, PATIENT_SECONDS)
    late = {ACCEPTED: time.perf_counter() - LATE_SECONDS, "REQUEST_METHOD": "HEAD"}
    assert call(app, **late)[2] == b""


def test_a_refused_request_counts_as_a_request(cells):
    app = frameworks.install(answer, cells, None, PATIENT_SECONDS)
    call(app, **{ACCEPTED: time.perf_counter() - LATE_SECONDS})
    statuses = {
        series.labels[2] for series in cells.series() if series.name == Server.RESPONSE_TIME.name
    }
    assert statuses == {"503"}


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_limit_has_to_be_positive(cells, limit):
    with pytest.raises(BadInput, match="seconds above 0"):
        WsgiShedding(answer, cells, limit)


def in_a_thread(coroutine):
    """Run a coroutine in a thread of its own, whose event loop no other test has."""
    found = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(coroutine)))
    thread.start()
    thread.join()
    return found[0]


async def exchange(app, scope, *, busy_seconds):
    """Call an ASGI application while its event loop is busy for a time; return its messages."""
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.get_running_loop().call_soon(time.sleep, busy_seconds)
    await app({"method": "GET", **scope}, None, send)
    return sent


async def answer_asgi(scope, receive, send):
    """Answer as an ASGI application."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def test_a_busy_event_loop_refuses_requests(cells):
    app = AsgiShedding(answer_asgi, cells, 0.01)
    start, body = in_a_thread(exchange(app, {"type": "http"}, busy_seconds=0.05))
    assert (start["status"], body["body"]) == (503, BODY)
    assert (b"retry-after", b"1") in start["headers"]
    assert shed(cells) == 1


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_an_idle_event_loop_and_other_protocols_refuse_none(cells, kind):
    limit = PATIENT_SECONDS if kind == "http" else 1e-9
    app = AsgiShedding(answer_asgi, cells, limit)
    assert in_a_thread(exchange(app, {"type": kind}, busy_seconds=0.0))[0]["status"] == 200
