"""Load shedding: a request that has waited for too long is answered 503 before its handler runs.

A queue that is full of requests whose clients have given up keeps every later request waiting, too.
Refusing the late ones costs almost nothing, so the others are answered in time.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Any

from firedrill.contract import Server
from firedrill.errors import BadInput
from firedrill.telemetry.middleware.request_metrics import ACCEPTED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from firedrill.telemetry.shared_cells import Cells

RETRY_AFTER_SECONDS = 1
BODY = b"overloaded: this request waited for too long, try again later\n"
HEADERS = (
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Length", str(len(BODY))),
    ("Retry-After", str(RETRY_AFTER_SECONDS)),
)


class _Shedding:
    """The limit and the count of one application."""

    def __init__(self, app: Callable[..., Any], cells: Cells, shed_after: float) -> None:
        """Take the longest wait in seconds. Raises BadInput if it is not positive."""
        if not shed_after > 0:
            raise BadInput(f"shed_after is {shed_after!r}; expected seconds above 0")
        self._app = app
        self._cells = cells
        self._limit_seconds = shed_after
        self._shed = cells.reserve(Server.REQUESTS_SHED)

    def _is_late(self, waited_seconds: float) -> bool:
        """Return whether a request waited for too long, and count it."""
        if waited_seconds <= self._limit_seconds:
            return False
        self._cells.add(self._shed)
        return True


class WsgiShedding(_Shedding):
    """Sheds requests by their queue wait, where the server tells it (ACCEPTED in the environ)."""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Serve or refuse one request."""
        accepted = environ.get(ACCEPTED)
        if accepted is None or not self._is_late(perf_counter() - accepted):
            body: Iterable[bytes] = self._app(environ, start_response)
            return body
        start_response("503 Service Unavailable", list(HEADERS))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [BODY]


class AsgiShedding(_Shedding):
    """Sheds requests by the wait for one turn of asyncio's event loop.

    All that is ready to run stands in front of a new request for one turn. Requests that wait in
    the application itself, for a pool of connections, are not seen.
    """

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Serve or refuse one connection; only HTTP requests are refused."""
        if scope["type"] != "http" or not self._is_late(await _turn_seconds()):
            await self._app(scope, receive, send)
            return
        headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else BODY
        await send({"type": "http.response.body", "body": body})


async def _turn_seconds() -> float:
    """Return how long one turn of the event loop takes; 0 where the loop is not asyncio's."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return 0.0
    began = perf_counter()
    await asyncio.sleep(0)
    return perf_counter() - began
