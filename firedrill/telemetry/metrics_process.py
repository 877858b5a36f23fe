"""The metrics process: serves the API's metrics endpoint while every thread of the API computes.

`publisher.py` starts it as
`python -m firedrill.telemetry.metrics_process CELLS_FD SOCKET_FD APPLICATION_PID`.
It reads the application's cells in shared memory and asks the kernel about the application's
process. It ends when its standard input ends, which is when the application is gone.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import perf_counter
from typing import TYPE_CHECKING

from prometheus_client.process_collector import ProcessCollector

from firedrill import contract
from firedrill.contract import FAULT_KINDS, Server
from firedrill.exposition import render, render_openmetrics
from firedrill.telemetry import active_faults, kernel
from firedrill.telemetry.shared_cells import BUSY_SINCE, FINISHED_BUSY, SAMPLED_AT, Cells, Series

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firedrill.exposition import Exemplars, Sample

    Row = tuple[str, tuple[str, ...], list[float]]

STAMPED = (SAMPLED_AT.name, FINISHED_BUSY.name, BUSY_SINCE.name)
FAMILIES = (*contract.declared(Server), *contract.PROCESS_METRICS)
ACCUMULATED = frozenset(metric.name for metric in FAMILIES if metric.kind != "gauge")
EXEMPLIFIED = frozenset(metric.name for metric in FAMILIES if metric.exemplars)
IDLE_CONNECTION_SECONDS = 60.0
BIRTH_WINDOW_SECONDS = 30.0
"""A series born since a scrape at most this old begins at 0. After a longer gap its count belongs to a past that no one watched."""


class Births:
    """Shows a new counter or histogram at 0 once, because rate() cannot see the increment that a series is born with.

    Only Prometheus gets the zero, and only for a series that appeared since its scrape before: there, 0 is what it was. Everybody else
    sees the count at once. An error's first occurrence is then an increase that an alert can see, one scrape later.
    """

    def __init__(self) -> None:
        self._seen: set[Series] = set()
        self._scraped_at = -BIRTH_WINDOW_SECONDS

    def new(self, series: list[Series], now: float) -> set[Series]:
        """Series to show at 0 on the page of this scrape."""
        recent = now - self._scraped_at <= BIRTH_WINDOW_SECONDS
        newborn = (
            {one for one in set(series) - self._seen if one.name in ACCUMULATED}
            if recent
            else set()
        )
        self._seen, self._scraped_at = set(series), now
        return newborn


class Page:
    """The page of one application, rendered on request."""

    def __init__(self, cells: Cells, pid: int) -> None:
        self._cells = cells
        self._pid = pid
        self._process = ProcessCollector(pid=lambda: pid, registry=None)
        self._births = Births()
        self._board: active_faults.Board | None = None
        self._told_of_stop = False
        self._busy_seconds = 0.0
        self._rendering = threading.Lock()

    def render(self, *, for_prometheus: bool, openmetrics: bool = False) -> bytes:
        """The text of this moment."""
        with self._rendering:
            exemplars = self._exemplars() if openmetrics else {}
            samples: dict[str, list[Sample]] = {}
            for name, labels, values in self._rows(for_prometheus=for_prometheus):
                samples.setdefault(name, []).append((labels, values))
            return (
                render_openmetrics(FAMILIES, samples, exemplars)
                if openmetrics
                else render(FAMILIES, samples)
            )

    def _exemplars(self) -> Exemplars:
        return {
            (one.name, one.labels): self._cells.exemplars(one)
            for one in self._cells.series()
            if one.name in EXEMPLIFIED
        }

    def faults(self) -> active_faults.Board | None:
        """Where faults are set, if the application takes any."""
        self._board = self._board or active_faults.Board.found(self._cells, self._cells.series())
        return self._board

    def is_down(self, *, for_prometheus: bool) -> bool:
        """Whether this scrape goes unanswered, as a stopped API's would. One page for Prometheus still tells of the stop, to be charted."""
        stopped = bool(
            self._board and self._board.size("stop")
        )  # nobody can have set a stop before there was a board
        is_down = stopped and self._told_of_stop
        self._told_of_stop = stopped and (is_down or for_prometheus)
        return is_down

    def _rows(self, *, for_prometheus: bool) -> Iterator[Row]:
        series = self._cells.series()
        newborn = self._births.new(series, perf_counter()) if for_prometheus else set()
        values = {one: self._cells.read(one) for one in series}
        yield from (
            (one.name, one.labels, [0.0] * one.width if one in newborn else values[one])
            for one in series
        )
        yield from self._from_stamps(
            {name: [values[one][0] for one in series if one.name == name] for name in STAMPED}
        )
        if board := active_faults.Board.found(self._cells, series):
            yield from (
                (Server.FAULT_ACTIVE.name, (fault,), [board.size(fault)]) for fault in FAULT_KINDS
            )
        yield from (
            (metric.name, labels, [value]) for metric, labels, value in kernel.readings(self._pid)
        )
        yield from (
            (sample.name, (), [sample.value])
            for family in self._process.collect()
            for sample in family.samples
        )

    def _from_stamps(self, cells: Mapping[str, list[float]]) -> Iterator[Row]:
        """Figures that need the time of the page. Workers are counted while they are busy, not when they are done."""
        now = perf_counter()
        yield from ((Server.METRICS_AGE.name, (), [now - at]) for at in cells[SAMPLED_AT.name])
        since = [at for at in cells[BUSY_SINCE.name] if at]
        for finished in cells[FINISHED_BUSY.name]:
            # A worker clears its stamp before it adds, and the sum was read before the stamps: too little for an instant, never too much.
            self._busy_seconds = max(
                self._busy_seconds, finished + sum(max(0.0, now - at) for at in since)
            )
            yield Server.BUSY_SECONDS.name, (), [self._busy_seconds]
            yield Server.WORKERS_BUSY.name, (), [float(len(since))]


class Handler(BaseHTTPRequestHandler):
    """Answers `GET /metrics`, and /faults where the application takes them."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE_CONNECTION_SECONDS

    def do_GET(self) -> None:
        """The page, the active faults, or 404."""
        if self.path.partition("?")[0] != "/metrics":
            self._control()
            return
        for_prometheus = self.headers.get("User-Agent", "").startswith("Prometheus/")
        if self.server.page.is_down(for_prometheus=for_prometheus):
            self.close_connection = True
            return
        openmetrics = accepts_openmetrics(self.headers.get("Accept", ""))
        kind = contract.OPENMETRICS_CONTENT_TYPE if openmetrics else contract.CONTENT_TYPE
        self._send(
            HTTPStatus.OK,
            kind,
            self.server.page.render(for_prometheus=for_prometheus, openmetrics=openmetrics),
        )

    def do_POST(self) -> None:
        """Set faults."""
        self._control()

    def do_DELETE(self) -> None:
        """End every fault."""
        self._control()

    def _control(self) -> None:
        board = self.server.page.faults() if self.path == active_faults.PATH else None
        if board is None:
            self.send_error(HTTPStatus.NOT_FOUND, "Only /metrics is here")
            return
        status, answer = active_faults.answer(board, self.command, self.headers, self.rfile)  # type: ignore[arg-type]  # a Message is no Mapping
        self.close_connection = True  # a refused body is never read
        self._send(status, "application/json", json.dumps(answer).encode() + b"\n")

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: a line a second would drown the application's own."""


def accepts_openmetrics(accept: str) -> bool:
    """Whether an Accept header names the format. Its weights are not compared: who can read OpenMetrics gets the exemplars."""
    return any(
        choice.partition(";")[0].strip() == contract.OPENMETRICS for choice in accept.split(",")
    )


class PageServer(ThreadingHTTPServer):
    """HTTP on a socket that the application bound: the port is known, or refused, before this process exists."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, page: Page) -> None:
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.page = page


def end_with_application() -> None:
    """Exit when the application does, kill -9 included: its end of our standard input closes with it."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve until the application is gone."""
    cells_descriptor, listener_descriptor, pid = map(int, sys.argv[1:])
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole terminal; the application decides when it ends
    threading.Thread(target=end_with_application, daemon=True).start()
    PageServer(
        socket.socket(fileno=listener_descriptor), Page(Cells(cells_descriptor), pid)
    ).serve_forever()


if __name__ == "__main__":
    main()
