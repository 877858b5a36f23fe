"""Bodies that a user reads after its request has returned (`stream=True`), for both HTTP clients.

Each client's body is watched where it blocks: at the socket's file of http.client, below requests
and urllib3, and at geventhttpclient's response. Every way to read, and every end, passes there.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust_exporter.counting.in_flight import InFlight, SentRequest

Result = TypeVar("Result")


class StreamedBody:
    """A body that is left to read, of a request in flight."""

    __slots__ = ("_in_flight", "_request")

    def __init__(self, in_flight: InFlight, request: SentRequest) -> None:
        """Take the request, and the account that it is in."""
        self._in_flight = in_flight
        self._request = request

    def read(self, read: Callable[..., Result], *args: Any) -> Result:
        """Call `read`, for which a user waits meanwhile. A read that raises ends the request."""
        request = self._request
        request.readers += 1
        try:
            return read(*args)
        except BaseException:
            self.abandon()
            raise
        finally:
            request.readers -= 1

    def end(self) -> None:
        """Take the body as read, closed or dropped."""
        self._in_flight.end(self._request)

    def abandon(self) -> None:
        """Take the rest of the body as lost."""
        self._in_flight.abandon(self._request)


def watch_requests_body(response: Any, in_flight: InFlight, request: SentRequest) -> bool:
    """Watch the body of a response of requests; return whether any of it is left to read."""
    try:
        message = response.raw._fp  # noqa: SLF001 - urllib3 has no other name for it
        file = message.fp
    except AttributeError:  # an error's response has no body, another adapter's cannot be watched
        return False
    if file is None or message.length == 0:
        return False
    ends_with_connection = message.length is None and not message.chunked
    message.fp = _SocketFile(file, StreamedBody(in_flight, request), ends_with_connection)
    return True


class _SocketFile:
    """Stands in for the file from which http.client reads a body, and which it closes after it."""

    def __init__(self, file: Any, body: StreamedBody, ends_with_connection: bool) -> None:
        self._file = file
        self._body = body
        self._ends_with_connection = ends_with_connection

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._body.read(self._file.read, size)
        self._expect(len(data or b"") >= size)
        return data

    def readinto(self, buffer: Any) -> int:
        count: int = self._body.read(self._file.readinto, buffer)
        self._expect((count or 0) >= len(buffer))
        return count

    def read1(self, size: int = -1) -> bytes:
        data: bytes = self._body.read(self._file.read1, size)
        self._expect(bool(data) or not size)
        return data

    def readline(self, size: int = -1) -> bytes:
        line: bytes = self._body.read(self._file.readline, size)
        self._expect(bool(line) or not size)
        return line

    def peek(self, size: int = 0) -> bytes:
        data: bytes = self._body.read(self._file.peek, size)
        return data

    def close(self) -> None:
        try:
            self._file.close()
        finally:
            self._body.end()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def _expect(self, complete: bool) -> None:
        """Take the body as lost if the connection ended before it."""
        if not complete and not self._ends_with_connection:
            self._body.abandon()


def watch_geventhttpclient_body(response: Any, in_flight: InFlight, request: SentRequest) -> bool:
    """Watch the body of FastHttpUser's response; return whether any of it is left to read."""
    message = response._response  # noqa: SLF001 - `stream`, which an error's response lacks
    if message is None or message._sock is None:  # noqa: SLF001 - None once the body was read
        return False
    message._body = StreamedBody(in_flight, request)  # noqa: SLF001 - an attribute of our own
    message.__class__ = _watched_class(message.__class__)
    return True


@functools.cache
def _watched_class(base: Any) -> type:
    class Watched(base):  # type: ignore[misc]
        _body: StreamedBody

        def read(self, length: int | None = None) -> Any:
            return self._body.read(super().read, length)

        def readline(self, *args: Any) -> Any:
            return self._body.read(super().readline, *args)

        def release(self) -> None:
            try:
                super().release()
            finally:
                self._body.end()

        def __del__(self) -> None:
            try:
                super().__del__()
            finally:
                self._body.end()

    Watched.__name__, Watched.__qualname__ = base.__name__, base.__qualname__
    Watched.__module__ = base.__module__
    return Watched
