"""The cells of an application's requests, found by one look-up and written under one lock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from firedrill.contract import ENDPOINT_BOUNDS_SECONDS, Server
from firedrill.telemetry.shared_cells import Children, observe_latency

if TYPE_CHECKING:
    from firedrill.telemetry.shared_cells import Cells

ACCEPTED = "firedrill.accepted"
"""WSGI environment key of the `perf_counter()` at which the server accepted the request.

Without it, a request begins in the middleware.
"""
MEASURED = "firedrill.measured"
"""Key in the WSGI environment or the ASGI scope of a request that is measured.

A second middleware around the same application, or one inside it, leaves the request alone.
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
SWITCHED = "101"
UNANSWERED = "499"
"""Status of a request whose client left before the response began, as nginx logs it."""
METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
)
STATUSES = frozenset(map(str, range(100, 1000)))
RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def _short(labels: tuple[str, ...]) -> bool:
    return max(map(len, labels)) <= MAX_LABEL_CHARACTERS


UNCOUNTED = "a request was not counted"
"""What follows from a failure of the measurement; the request itself is answered."""


class RequestMetrics:
    """The series of one application's requests and websocket sessions."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self._active = Children(
            cells,
            Server.ACTIVE_REQUESTS,
            limit=len(METHODS) + 1,
            fits=_short,
            fold=lambda _: (OTHER,),
        )
        self._routes = Children(
            cells,
            Server.REQUEST_DURATION,
            Server.RESPONSE_TIME,
            limit=MAX_LABEL_SETS,
            fits=_short,
            fold=lambda labels: (OTHER, OTHER, labels[2]),
        )
        self._sessions = Children(
            cells,
            Server.WEBSOCKET_SESSIONS,
            limit=MAX_LABEL_SETS,
            fits=_short,
            fold=lambda _: (OTHER,),
        )
        self._all_durations = cells.reserve(Server.ALL_REQUEST_DURATION)
        self._all_response_times = cells.reserve(Server.ALL_RESPONSE_TIME)
        self._active_sessions: int | None = None
        self._runs = Children(
            cells,
            Server.RUN_REQUESTS,
            limit=MAX_RUN_IDS,
            fits=lambda labels: RUN_ID.fullmatch(labels[0]),
            fold=lambda _: (OTHER,),
        )

    def begin(self, method: str) -> int:
        """Count a request as active; return the cell to give back to `finish`.

        `method` is one of METHODS or UNKNOWN_METHOD.
        """
        (active,) = self._active[(method,)]
        cells = self.cells
        with cells.lock:
            cells.values[active] += 1
        return active

    def begin_session(self) -> int:
        """Count a websocket session as active; return its cell."""
        if self._active_sessions is None:
            self._active_sessions = self.cells.reserve(Server.ACTIVE_WEBSOCKETS)
        self.cells.add(self._active_sessions)
        return self._active_sessions

    def end(self, active: int) -> None:
        """Count a request or session as active no longer."""
        self.cells.add(active, -1)

    def count_session(self, route: str) -> None:
        """Count a websocket session that was accepted."""
        self.cells.add(self._sessions[(route,)][0])

    def finish(
        self,
        active: int,
        labels: tuple[str, str, str],
        handled_seconds: float,
        response_seconds: float,
        run_id: str | None,
        trace_id: int | None = None,
    ) -> None:
        """Count an active request as finished, by method, route and status."""
        if labels[2] not in STATUSES:
            labels = (*labels[:2], OTHER)
        cells = self.cells
        values = cells.values
        try:
            duration, response_time = self._routes[labels]
            run = self._runs[(run_id,)][0] if run_id is not None else None
        except BaseException:
            self.end(active)
            raise
        with cells.lock:
            values[active] -= 1
            observe_latency(values, duration, self._all_durations, handled_seconds)
            observe_latency(values, response_time, self._all_response_times, response_seconds)
            if run is not None:
                values[run] += 1
        if trace_id is not None:
            cells.set_exemplar(duration, ENDPOINT_BOUNDS_SECONDS, handled_seconds, trace_id)
            cells.set_exemplar(response_time, ENDPOINT_BOUNDS_SECONDS, response_seconds, trace_id)
