"""The ASGI middleware. It passes every message on unchanged, and lifespan with its own callables.

A request is over when the last part of its response is sent: background tasks are no part of its
response time. A websocket's handshake is a request with status 101; the session that follows is
counted by itself.
"""

from __future__ import annotations

from asyncio import CancelledError
from time import perf_counter
from typing import TYPE_CHECKING, Any

from firedrill.contract import RUN_ID_HEADER
from firedrill.telemetry.middleware import routes
from firedrill.telemetry.middleware.event_loop import EventLoop
from firedrill.telemetry.middleware.request_metrics import (
    FAILED,
    MEASURED,
    METHODS,
    SWITCHED,
    UNANSWERED,
    UNCOUNTED,
    UNKNOWN_METHOD,
    UNMATCHED_ROUTE,
)
from firedrill.telemetry.warning_once import warn_once

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from firedrill.telemetry.middleware.request_metrics import RequestMetrics

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]

REFUSED = "403"
"""Status with which a server answers a websocket that is closed before it was accepted."""
_RUN_ID_HEADER = RUN_ID_HEADER.lower().encode()


class AsgiMiddleware:
    """Measures an ASGI application."""

    def __init__(self, app: AsgiApp, metrics: RequestMetrics) -> None:
        self.app = app
        self.metrics = metrics
        self._loop = EventLoop(metrics.cells)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        kind = _KINDS.get(scope["type"])
        if kind is None or MEASURED in scope:
            await self.app(scope, receive, send)
            return
        try:
            self._loop.watch()
            exchange = kind(self.metrics, scope, receive, send)
        except Exception as error:  # noqa: BLE001 -- a request is answered, counted or not
            warn_once(UNCOUNTED, error)
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            exchange.end(error)
            raise
        exchange.end(None)


class Exchange:
    """A request and its response, seen from the messages between application and server."""

    __slots__ = (
        "_active",
        "_begun",
        "_disconnected",
        "_finished",
        "_has_trailers",
        "_method",
        "_metrics",
        "_receive",
        "_root_path",
        "_scope",
        "_send",
        "_status",
    )

    def __init__(
        self, metrics: RequestMetrics, scope: Message, receive: Receive, send: Send
    ) -> None:
        metrics.cells.enter()
        self._begun = perf_counter()
        self._metrics = metrics
        self._scope = scope
        self._receive = receive
        self._send = send
        self._status = ""
        self._has_trailers = False
        self._disconnected = False
        self._finished = False
        self._root_path: str = scope.get("root_path", "")
        method = scope.get("method", "GET")  # a websocket has none
        self._method: str = method if method in METHODS else UNKNOWN_METHOD
        self._active = metrics.begin(self._method)
        scope[MEASURED] = True

    async def receive(self) -> Message:
        """Pass a message of the client on, and note that it has left."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._disconnected = True
        return message

    async def send(self, message: Message) -> None:
        """Pass a message of the application on, and note status and end of the response."""
        kind = message["type"]
        try:
            await self._send(message)
        except OSError:  # what servers raise for a client that has left
            self._disconnected = True
            raise
        if kind == "http.response.start":
            self._status = str(message["status"])
            self._has_trailers = message.get("trailers", False)
        elif self._ends_response(kind, message):
            self.finish()

    def _ends_response(self, kind: str, message: Message) -> bool:
        if kind in {"http.response.body", "http.response.zerocopysend"}:
            return not (message.get("more_body", False) or self._has_trailers)
        if kind == "http.response.trailers":
            return not message.get("more_trailers", False)
        return kind == "http.response.pathsend"

    def end(self, error: BaseException | None) -> None:
        """Finish a request whose application returned or raised.

        A response that stays incomplete is a failure, unless its client has left.
        """
        if self._finished:
            return
        if self._disconnected or isinstance(error, CancelledError):
            self._status = self._status or UNANSWERED
        elif error is not None or not self._status:
            self._status = FAILED
        self.finish()

    def finish(self) -> None:
        """Count this request as finished, once."""
        if self._finished:
            return
        self._finished = True
        try:
            handled = perf_counter() - self._begun
            self._metrics.finish(
                self._active,
                (self._method, self.route(), self._status),
                handled,
                handled,
                run_id(self._scope),
            )
        except Exception as error:  # noqa: BLE001 -- a request is answered, counted or not
            warn_once(UNCOUNTED, error)

    def route(self) -> str:
        """Return the route; `none` if an unknown router leaves something unexpected."""
        try:
            return routes.of_scope(self._scope, self._root_path)
        except Exception:  # noqa: BLE001 -- objects of frameworks of any version
            return UNMATCHED_ROUTE


class Session(Exchange):
    """A websocket: its handshake is a request, then it is an open session until its end."""

    __slots__ = ("_open",)

    def __init__(
        self, metrics: RequestMetrics, scope: Message, receive: Receive, send: Send
    ) -> None:
        super().__init__(metrics, scope, receive, send)
        self._open: int | None = None

    async def receive(self) -> Message:
        """Pass a message of the client on, and note the end of the session."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._disconnected = True
            self._close()
        return message

    async def send(self, message: Message) -> None:
        """Pass a message of the application on, and note an acceptance, a refusal, and the end."""
        kind = message["type"]
        try:
            await self._send(message)
        except OSError:
            self._disconnected = True
            raise
        if kind == "websocket.accept":
            self._status = SWITCHED
            self.finish()
            self._accept()
        elif kind == "websocket.close":
            self._status = self._status or REFUSED
            self.finish()
            self._close()
        elif kind == "websocket.http.response.start":
            self._status = str(message["status"])
        elif kind == "websocket.http.response.body" and not message.get("more_body", False):
            self.finish()

    def end(self, error: BaseException | None) -> None:
        """Finish the handshake if it has no answer, and the session if it is still open."""
        super().end(error)
        self._close()

    def _accept(self) -> None:
        try:
            self._metrics.count_session(self.route())
            self._open = self._metrics.begin_session()
        except Exception as error:  # noqa: BLE001 -- a session goes on, counted or not
            warn_once(UNCOUNTED, error)

    def _close(self) -> None:
        if self._open is not None:
            self._metrics.end(self._open)
            self._open = None


def run_id(scope: Message) -> str | None:
    """Return the id of the run that sent a request."""
    for name, value in scope["headers"]:
        if name == _RUN_ID_HEADER:
            return str(value.decode("latin-1"))
    return None


_KINDS = {"http": Exchange, "websocket": Session}
