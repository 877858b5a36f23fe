"""The WSGI middleware. It changes no byte, no header and no object that the server looks at.

It takes one object a request and none of the framework's hooks. A request is counted when the
server closes the response.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from firedrill.contract import RUN_ID_HEADER
from firedrill.telemetry.middleware import routes
from firedrill.telemetry.middleware.request_metrics import (
    ACCEPTED,
    FAILED,
    MEASURED,
    METHODS,
    SWITCHED,
    TRACE_ID,
    UNCOUNTED,
    UNKNOWN_METHOD,
    UNMATCHED_ROUTE,
)
from firedrill.telemetry.warning_once import warn_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from firedrill.telemetry.middleware.request_metrics import RequestMetrics

    Environ = dict[str, Any]
    WsgiApp = Callable[..., Iterable[bytes]]

FILE_WRAPPER = "wsgi.file_wrapper"
_RUN_ID_KEY = f"HTTP_{RUN_ID_HEADER.upper().replace('-', '_')}"


class WsgiMiddleware:
    """Measures a WSGI application."""

    def __init__(self, app: WsgiApp, metrics: RequestMetrics) -> None:
        self.app = app
        self.metrics = metrics

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request; an exception of the application counts as status 500."""
        if MEASURED in environ:
            return self.app(environ, start_response)
        try:
            exchange = Exchange(self.metrics, environ, start_response)
        except Exception as error:  # noqa: BLE001 -- a request is answered, counted or not
            warn_once(UNCOUNTED, error)
            return self.app(environ, start_response)
        try:
            body: Iterable[bytes] = exchange.measured(self.app(environ, exchange.start_response))
        except BaseException as error:
            exchange.fail(error)
            raise
        return body


class Exchange:
    """A request and its response: an iterable of bytes that knows when the server is done."""

    __slots__ = (
        "_active",
        "_begun",
        "_environ",
        "_file",
        "_finished",
        "_iterator",
        "_method",
        "_metrics",
        "_route",
        "_start_response",
        "_status",
        "_upgrades",
        "_wrapper",
        "body",
    )

    def __init__(
        self, metrics: RequestMetrics, environ: Environ, start_response: Callable[..., Any]
    ) -> None:
        metrics.cells.enter()
        self._begun = perf_counter()
        self._metrics = metrics
        self._environ = environ
        self._start_response = start_response
        self._finished = False
        self._route = UNMATCHED_ROUTE
        self._status = ""
        self.body: Any = ()
        self._file: Any = None
        method = environ.get("REQUEST_METHOD")
        self._method: str = method if method in METHODS else UNKNOWN_METHOD
        self._upgrades = "HTTP_UPGRADE" in environ and is_websocket(environ)
        self._active = metrics.begin_session() if self._upgrades else metrics.begin(self._method)
        environ[MEASURED] = True
        self._wrapper: Any = environ.get(FILE_WRAPPER)
        if self._wrapper is not None and not isinstance(self._wrapper, type):
            environ[FILE_WRAPPER] = self.wrap_file

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Any:
        """Pass status and headers on, and note status and route.

        The route is read now, because Flask forgets it when its context pops.
        """
        write = (
            self._start_response(status, headers)
            if exc_info is None
            else self._start_response(status, headers, exc_info)
        )
        self._status = status[:3]
        self._route = routes.of_environ(self._environ)
        return write

    def wrap_file(self, file: Any, *block_size: int) -> Any:
        """Wrap a file by the server's own function, so that the server's end of it is seen.

        Only called where `wsgi.file_wrapper` is a function: such a server (uWSGI) knows the file
        that it sends by its identity.
        """
        self._file = self._wrapper(SentFile(file, self), *block_size)
        return self._file

    def measured(self, body: Any) -> Any:
        """Return the response to hand to the server in place of `body`."""
        self.body = body
        if self._wrapper is not None:
            self._environ[FILE_WRAPPER] = self._wrapper
        if isinstance(body, (list, tuple)):
            return SizedExchange(self)
        if isinstance(self._wrapper, type) and isinstance(body, self._wrapper):
            return self._with_closing_hook(body)
        if body is self._file and hasattr(body, "close"):
            return body
        if isinstance(body, (bytes, str)) or not hasattr(body, "__iter__"):
            # A server may have a meaning of its own for these (uWSGI: a whole body).
            self.finish()
            return body
        return self

    def _with_closing_hook(self, body: Any) -> Any:
        """Return the server's own kind of file, which it sends by itself and then closes."""
        close = getattr(body, "close", None)

        def close_and_finish() -> None:
            try:
                if close is not None:
                    close()
            finally:
                self.finish()

        try:
            body.close = close_and_finish
        except (AttributeError, TypeError):  # a type of C without attributes
            self.finish()
        return body

    def __iter__(self) -> Iterator[bytes]:
        """Begin the body."""
        try:
            self._iterator = iter(self.body)
        except Exception as error:
            self.fail(error)
            raise
        return self

    def __next__(self) -> bytes:
        """Return the next part; a body that breaks is a failure, whatever its status."""
        try:
            part: bytes = next(self._iterator)
        except StopIteration:
            raise
        except Exception as error:
            self.fail(error)
            raise
        return part

    def close_file(self) -> None:
        """Finish the request if its body was the file that the server has just closed."""
        if self.body is self._file:
            self.finish()

    def close(self) -> None:
        """Finish the request, as the server has sent the response or lost the client."""
        try:
            close = getattr(self.body, "close", None)
            if close is not None:
                close()
        finally:
            self.finish()

    def fail(self, error: BaseException) -> None:
        """Finish a request whose application raised.

        Without a response to an upgrade, these are how a session over the server's socket ends
        (flask-sock raises them): the server shall send nothing more.
        """
        if self._route == UNMATCHED_ROUTE:
            self._route = routes.of_exception(error, self._environ)
        ended = self._upgrades and not self._status
        if not (ended and isinstance(error, (StopIteration, ConnectionError))):
            self._status = FAILED
        self.finish()

    def finish(self) -> None:
        """Count this request as finished, once."""
        if self._finished:
            return
        self._finished = True
        try:
            self._count()
        except Exception as error:  # noqa: BLE001 -- a request is answered, counted or not
            warn_once(UNCOUNTED, error)

    def _count(self) -> None:
        now, environ = perf_counter(), self._environ
        waited = self._begun - environ.get(ACCEPTED, self._begun)
        handled = now - self._begun
        status = self._status or FAILED
        if self._upgrades and not self._status:
            # The server's socket was used directly. The session is no latency, and the moment of
            # its handshake cannot be seen: the wait before it is a lower bound.
            status, handled = SWITCHED, 0.0
            self._metrics.count_session(self._route)
        self._metrics.finish(
            self._active,
            (self._method, self._route, status),
            handled,
            waited + handled,
            environ.get(_RUN_ID_KEY),
            environ.get(TRACE_ID),
        )


class SizedExchange:
    """A response whose body is a list or a tuple.

    A server may ask for its length: one part is a whole body, and gets a Content-Length.
    """

    __slots__ = ("_exchange", "close")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.close = exchange.close

    def __len__(self) -> int:
        return len(self._exchange.body)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._exchange.body)


class SentFile:
    """A file that a server sends by itself; its `close` finishes the request."""

    def __init__(self, file: Any, exchange: Exchange) -> None:
        self._file = file
        self._exchange = exchange

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._file)

    def close(self) -> None:
        """Close the file."""
        try:
            close = getattr(self._file, "close", None)
            if close is not None:
                close()
        finally:
            self._exchange.close_file()


def is_websocket(environ: Environ) -> bool:
    """Return whether a request asks to become a websocket."""
    return str(environ["HTTP_UPGRADE"]).strip().lower() == "websocket"
