"""The ASGI middleware passes every message on, and counts each request once, when it is over."""

import asyncio

import pytest

from firedrill.contract import RUN_ID_HEADER
from firedrill.telemetry.middleware.asgi import AsgiMiddleware
from firedrill.telemetry.middleware.request_metrics import RequestMetrics
from tests.unit.telemetry.asgi_calls import Connection, call, in_own_loop, scope_of
from tests.unit.telemetry.counted_requests import CountedRequests

START = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}
END = {"type": "http.response.body", "body": b"end"}
PART = {"type": "http.response.body", "body": b"part", "more_body": True}
TRAILERS = {"type": "http.response.trailers", "headers": [], "more_trailers": False}
FILE = {"type": "http.response.pathsend", "path": "/etc/hostname"}
LEFT = {"type": "http.disconnect"}
ACCEPT = {"type": "websocket.accept"}
CLOSE = {"type": "websocket.close", "code": 1000}
DURATION = "http_server_request_duration_seconds_sum"


@pytest.fixture
def counted():
    return CountedRequests()


def measured(app, counted):
    return AsgiMiddleware(app, RequestMetrics(counted.cells))


def sending(*messages, then=None):
    """Return an application that sends these, and then does something."""

    async def app(_scope, receive, send):
        for message in messages:
            await send(message)
        if then is not None:
            await then(receive)

    return app


async def fail(_receive):
    raise ZeroDivisionError


async def await_client(receive):
    while (await receive())["type"] not in {"http.disconnect", "websocket.disconnect"}:
        pass


async def fail_without_client(receive):
    await await_client(receive)
    raise ConnectionError


@pytest.mark.parametrize(
    "messages",
    [
        (START, END),
        (START, PART, PART, END),
        (START, PART, {"type": "http.response.body"}),
        ({**START, "trailers": True}, END, TRAILERS),
        (START, FILE),
        ({"type": "http.response.push", "path": "/", "headers": []}, START, END),
    ],
)
def test_every_message_is_passed_on_and_counted_once(counted, messages):
    scope = scope_of("/", method="POST")
    assert call(measured(sending(*messages), counted), scope) == list(messages)
    assert counted.requests() == {("POST", "none", "200"): 1}
    assert counted.active() == 0


def test_background_tasks_are_no_part_of_response_time(counted, clock):
    async def work(_receive):
        assert counted.active() == 0
        clock.advance(30)

    async def app(scope, receive, send):
        clock.advance(2)
        await sending(START, END, then=work)(scope, receive, send)

    call(measured(app, counted), scope_of("/"))
    assert counted.scrape().value(DURATION) == 2


def test_a_stream_is_active_until_its_last_part(counted, clock):
    async def app(_scope, _receive, send):
        await send(START)
        await send(PART)
        clock.advance(5)
        assert counted.active() == 1
        await send(END)

    call(measured(app, counted), scope_of("/"))
    assert counted.scrape().value(DURATION) == 5


@pytest.mark.parametrize(
    ("messages", "then", "status"),
    [
        ((), fail, "500"),
        ((START, PART), fail, "500"),
        ((START, END), fail, "200"),
        ((START,), fail_without_client, "200"),
        ((), fail_without_client, "499"),
        ((), await_client, "499"),
        ((START, PART), await_client, "200"),
        ((), None, "500"),
    ],
)
def test_a_response_that_breaks_off_has_the_status_of_its_cause(counted, messages, then, status):
    app = measured(sending(*messages, then=then), counted)
    connection = Connection({"type": "http.request"}, LEFT)

    async def serve():
        try:
            await app(scope_of("/"), connection.receive, connection.send)
        except (ZeroDivisionError, ConnectionError):
            return True
        return False

    assert in_own_loop(serve()) == (then in {fail, fail_without_client})
    assert counted.requests() == {("GET", "none", status): 1}
    assert counted.active() == 0


@pytest.mark.parametrize(("messages", "status"), [((), "499"), ((START, PART), "200")])
def test_a_cancelled_request_is_no_failure(counted, messages, status):
    begun = asyncio.Event()

    async def hang(_receive):
        begun.set()
        await asyncio.Event().wait()

    async def serve():
        app = measured(sending(*messages, then=hang), counted)
        connection = Connection()
        task = asyncio.ensure_future(app(scope_of("/"), connection.receive, connection.send))
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return task.cancelled()

    assert in_own_loop(serve())
    assert counted.requests() == {("GET", "none", status): 1}


def test_a_server_that_refuses_to_send_is_a_client_that_left(counted):
    async def refuse(_message):
        raise ConnectionResetError

    async def serve():
        await measured(sending(START), counted)(scope_of("/"), None, refuse)

    with pytest.raises(ConnectionResetError):
        in_own_loop(serve())
    assert counted.requests() == {("GET", "none", "499"): 1}


@pytest.mark.parametrize("kind", ["lifespan", "unheard-of"])
def test_other_scopes_pass_with_their_own_callables(counted, kind):
    seen = []

    async def app(*arguments):
        seen.extend(arguments)

    scope = {"type": kind}
    connection = Connection()
    receive, send = connection.receive, connection.send
    in_own_loop(measured(app, counted)(scope, receive, send))
    assert seen == [scope, receive, send]
    assert scope == {"type": kind}


@pytest.mark.parametrize(
    ("messages", "status", "sessions"),
    [
        ((ACCEPT, {"type": "websocket.send", "text": "a"}, CLOSE), "101", 1),
        ((ACCEPT,), "101", 1),
        ((CLOSE,), "403", 0),
        (
            (
                {"type": "websocket.http.response.start", "status": 401, "headers": []},
                {"type": "websocket.http.response.body", "body": b"no"},
            ),
            "401",
            0,
        ),
    ],
)
def test_a_websocket_counts_its_handshake_and_its_session(counted, messages, status, sessions):
    app = measured(sending(*messages), counted)
    assert call(app, scope_of("/feed", kind="websocket")) == list(messages)
    assert counted.requests() == {("GET", "none", status): 1}
    assert counted.scrape().total("http_server_websocket_sessions_total") == sessions
    assert counted.active() == 0


def test_an_open_session_is_no_latency_and_no_active_request(counted, clock):
    async def talk(receive):
        clock.advance(60)
        metrics = counted.scrape()
        assert metrics.value("http_server_active_websocket_sessions") == 1
        assert metrics.total("http_server_active_requests") == 0
        await await_client(receive)
        assert counted.active() == 0
        raise ConnectionError

    async def app(scope, receive, send):
        clock.advance(1)
        await sending(ACCEPT, then=talk)(scope, receive, send)

    with pytest.raises(ConnectionError):
        call(
            measured(app, counted),
            scope_of("/feed", kind="websocket"),
            {"type": "websocket.connect"},
            {"type": "websocket.disconnect"},
        )
    assert counted.scrape().value(DURATION) == 1
    assert counted.requests() == {("GET", "none", "101"): 1}


def test_a_websocket_that_fails_before_its_answer_is_a_failure(counted):
    with pytest.raises(ZeroDivisionError):
        call(measured(sending(then=fail), counted), scope_of("/", kind="websocket"))
    assert counted.requests() == {("GET", "none", "500"): 1}
    assert counted.active() == 0


def test_methods_statuses_and_run_ids_are_folded(counted):
    app = measured(sending({**START, "status": 1000}, END), counted)
    headers = [(RUN_ID_HEADER.lower().encode(), b"drill-1")]
    call(app, scope_of("/", method="BREW", headers=headers))
    assert counted.requests() == {("_OTHER", "none", "other"): 1}
    assert counted.scrape().value("firedrill_run_requests_total", run_id="drill-1") == 1


def test_an_application_within_a_measured_one_counts_once(counted):
    inner = CountedRequests()
    call(measured(measured(sending(START, END), inner), counted), scope_of("/"))
    assert counted.requests() == {("GET", "none", "200"): 1}
    assert inner.requests() == {}


def test_a_failing_measurement_changes_no_answer(counted):
    app = measured(sending(START, END), counted)
    app.metrics._routes = None
    assert call(app, scope_of("/")) == [START, END]
    app.metrics._active = None
    assert call(app, scope_of("/")) == [START, END]
    assert counted.requests() == {}
