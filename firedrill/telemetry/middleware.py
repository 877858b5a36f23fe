"""The WSGI middleware: it times every request and counts it by method, route and status.

It takes one object a request and none of the framework's hooks. The cells of a request's method,
route and status are found by one look-up. They are written under one lock, when the server closes
the response.
"""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING, Any

from firedrill.contract import ENDPOINT_BOUNDS_SECONDS, RUN_ID_HEADER, Server
from firedrill.telemetry.shared_cells import Children, observe_latency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from firedrill.telemetry.shared_cells import Cells

ACCEPTED = "firedrill.accepted"
"""WSGI environment key of the `perf_counter()` at which the server accepted the request.

Without it, a request begins in the middleware.
"""
TRACE_ID = "firedrill.trace_id"
"""WSGI environment key of a sampled request's trace id, a number; absent in other requests."""

MAX_LABEL_SETS = 200
"""Sets of (method, route, status), 30 lines of text each.

Later ones keep their status; their method and route become `other`.
"""
MAX_RUN_IDS = 16
"""Runs that one process tells apart; later ones and malformed ids count as `other`."""
MAX_LABEL_CHARACTERS = 256

OTHER = "other"
UNMATCHED_ROUTE = "none"
UNKNOWN_METHOD = "_OTHER"
FAILED = "500"
METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
)
RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_RUN_ID_KEY = f"HTTP_{RUN_ID_HEADER.upper().replace('-', '_')}"


class Middleware:
    """Measures an application. It changes nothing about a response."""

    def __init__(self, app: Callable[..., Iterable[bytes]], cells: Cells) -> None:
        self.app: Callable[..., Iterable[bytes]] = app
        self.cells = cells
        short = lambda labels: max(map(len, labels)) <= MAX_LABEL_CHARACTERS  # noqa: E731 -- used twice, here only
        self.active = Children(
            cells,
            Server.ACTIVE_REQUESTS,
            limit=len(METHODS) + 1,
            fits=short,
            fold=lambda _: (OTHER,),
        )
        self.routes = Children(
            cells,
            Server.REQUEST_DURATION,
            Server.RESPONSE_TIME,
            limit=MAX_LABEL_SETS,
            fits=short,
            fold=lambda labels: (OTHER, OTHER, labels[2]),
        )
        self.all_durations = cells.reserve(Server.ALL_REQUEST_DURATION)
        self.all_response_times = cells.reserve(Server.ALL_RESPONSE_TIME)
        self.runs = Children(
            cells,
            Server.RUN_REQUESTS,
            limit=MAX_RUN_IDS,
            fits=lambda labels: RUN_ID.fullmatch(labels[0]),
            fold=lambda _: (OTHER,),
        )

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Serve one request; an exception of the application counts as status 500."""
        exchange = Exchange(self, environ, start_response)
        try:
            exchange.body = self.app(environ, exchange.start_response)
        except BaseException:
            exchange.finish(failed=True)
            raise
        file_wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(file_wrapper, type) and isinstance(exchange.body, file_wrapper):
            # The server sends its own kind of file by itself, if it recognises it.
            exchange.finish()
            return exchange.body
        return exchange


class Exchange:
    """A request and its response: an iterable of bytes that knows when the server is done."""

    __slots__ = (
        "_active",
        "_begun",
        "_environ",
        "_finished",
        "_method",
        "_middleware",
        "_route",
        "_start_response",
        "_status",
        "body",
    )

    def __init__(
        self, middleware: Middleware, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> None:
        middleware.cells.enter()  # the first request of a process begins to publish
        self._begun = perf_counter()
        self._middleware = middleware
        self._environ = environ
        self._start_response = start_response
        self._finished = False
        self._route = UNMATCHED_ROUTE
        self._status = FAILED
        method = environ["REQUEST_METHOD"]
        self._method = method if method in METHODS else UNKNOWN_METHOD
        self.body: Iterable[bytes] = ()
        (self._active,) = middleware.active[(self._method,)]
        cells = middleware.cells
        with cells.lock:
            cells.values[self._active] += 1

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Any:
        """Note status and route, and pass them on.

        The route is read now, because Flask forgets it when its context pops.
        """
        rule = getattr(self._environ.get("werkzeug.request"), "url_rule", None)
        if rule is not None:
            self._route = rule.rule
        self._status = status[:3]
        return self._start_response(status, headers, exc_info)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body; one that breaks is a failure, whatever its status."""
        try:
            yield from self.body
        except Exception:
            self.finish(failed=True)
            raise

    def close(self) -> None:
        """Finish the request, as the server has sent the response or lost the client."""
        try:
            close = getattr(self.body, "close", None)
            if close is not None:
                close()
        finally:
            self.finish()

    def finish(self, *, failed: bool = False) -> None:
        """Count this request as finished, once."""
        if self._finished:
            return
        self._finished = True
        now = perf_counter()
        handled, took = now - self._begun, now - self._environ.get(ACCEPTED, self._begun)
        middleware = self._middleware
        duration, response_time = middleware.routes[
            (self._method, self._route, FAILED if failed else self._status)
        ]
        run_id = self._environ.get(_RUN_ID_KEY)
        cells = middleware.cells
        values = cells.values
        run = middleware.runs[(run_id,)][0] if run_id is not None else None
        with cells.lock:
            values[self._active] -= 1
            observe_latency(values, duration, middleware.all_durations, handled)
            observe_latency(values, response_time, middleware.all_response_times, took)
            if run is not None:
                values[run] += 1
        trace_id = self._environ.get(TRACE_ID)
        if trace_id is not None:
            cells.set_exemplar(duration, ENDPOINT_BOUNDS_SECONDS, handled, trace_id)
            cells.set_exemplar(response_time, ENDPOINT_BOUNDS_SECONDS, took, trace_id)
