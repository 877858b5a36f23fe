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
from typing import TYPE_CHECKING, Any

from prometheus_client.process_collector import ProcessCollector

from firedrill import contract
from firedrill.contract import Server
from firedrill.exposition import render, render_openmetrics
from firedrill.fault_kinds import FAULT_KINDS
from firedrill.telemetry import active_faults, kernel
from firedrill.telemetry.shared_cells import BUSY_SINCE, FINISHED_BUSY, SAMPLED_AT, Cells, Series

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firedrill.exposition import Exemplars, Sample

    Row = tuple[str, tuple[str, ...], list[float]]

STAMPED = (SAMPLED_AT.name, FINISHED_BUSY.name, BUSY_SINCE.name)
FAMILIES = (*contract.declared(Server), *contract.PROCESS_METRICS)
ACCUMULATED = frozenset(metric.name for metric in FAMILIES if metric.kind != "gauge")
WITH_EXEMPLARS = frozenset(metric.name for metric in FAMILIES if metric.exemplars)
IDLE_CONNECTION_SECONDS = 60.0
NEW_SERIES_SECONDS = 30.0
"""A series added since a scrape at most this old begins at 0.

After a longer gap its count belongs to a time that nobody watched.
"""


class NewSeries:
    """Shows a new counter or histogram as 0 once: rate() misses the increment that it begins with.

    Only Prometheus gets the zero, and only for a series that appeared since its last scrape, when
    it was 0. Everybody else sees the count at once. An error's first occurrence is then an increase
    that an alert can see, one scrape later.
    """

    def __init__(self) -> None:
        self._seen: set[Series] = set()
        self._scraped_at = -NEW_SERIES_SECONDS

    def since_last_scrape(self, series: list[Series], now: float) -> set[Series]:
        """Return the series to show as 0 in this scrape."""
        recent = now - self._scraped_at <= NEW_SERIES_SECONDS
        new = (
            {line for line in set(series) - self._seen if line.name in ACCUMULATED}
            if recent
            else set()
        )
        self._seen, self._scraped_at = set(series), now
        return new


class ServerMetrics:
    """The metrics of one application, rendered on request."""

    def __init__(self, cells: Cells, pid: int) -> None:
        self._cells = cells
        self._pid = pid
        self._process = ProcessCollector(pid=lambda: pid, registry=None)
        self._new_series = NewSeries()
        self._faults: active_faults.ActiveFaults | None = None
        self._stop_was_scraped = False
        self._busy_seconds = 0.0
        self._rendering = threading.Lock()

    def render(self, *, for_prometheus: bool, openmetrics: bool = False) -> bytes:
        """Return all metrics of this moment."""
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
            (series.name, series.labels): self._cells.exemplars(series)
            for series in self._cells.series()
            if series.name in WITH_EXEMPLARS
        }

    def faults(self) -> active_faults.ActiveFaults | None:
        """Return the active faults; None if the application takes none."""
        self._faults = self._faults or active_faults.ActiveFaults.from_series(
            self._cells, self._cells.series()
        )
        return self._faults

    def is_down(self, *, for_prometheus: bool) -> bool:
        """Return whether this scrape goes unanswered, as one of a stopped API.

        The first scrape of a stop is still answered, so that the stop can be charted.
        """
        # Without self._faults nobody has set a stop yet.
        stopped = bool(self._faults and self._faults.size("stop"))
        is_down = stopped and self._stop_was_scraped
        self._stop_was_scraped = stopped and (is_down or for_prometheus)
        return is_down

    def _rows(self, *, for_prometheus: bool) -> Iterator[Row]:
        series = self._cells.series()
        new = (
            self._new_series.since_last_scrape(series, perf_counter()) if for_prometheus else set()
        )
        values = {line: self._cells.read(line) for line in series}
        yield from (
            (line.name, line.labels, [0.0] * line.width if line in new else values[line])
            for line in series
        )
        yield from self._from_stamps(
            {name: [values[line][0] for line in series if line.name == name] for name in STAMPED}
        )
        if faults := active_faults.ActiveFaults.from_series(self._cells, series):
            yield from (
                (Server.FAULT_ACTIVE.name, (fault,), [faults.size(fault)]) for fault in FAULT_KINDS
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
        """Yield figures that need the time of the scrape, such as workers that are still busy."""
        now = perf_counter()
        yield from ((Server.METRICS_AGE.name, (), [now - at]) for at in cells[SAMPLED_AT.name])
        since = [at for at in cells[BUSY_SINCE.name] if at]
        for finished in cells[FINISHED_BUSY.name]:
            # A worker clears its stamp before it adds to the sum, which was read before the stamps:
            # the result is too small for an instant, never too large.
            self._busy_seconds = max(
                self._busy_seconds, finished + sum(max(0.0, now - at) for at in since)
            )
            yield Server.BUSY_SECONDS.name, (), [self._busy_seconds]
            yield Server.WORKERS_BUSY.name, (), [float(len(since))]


class Handler(BaseHTTPRequestHandler):
    """Answers `GET /metrics` and `GET /metrics/RUN_ID`, and /faults where there are faults.

    Another run's id gets 404, so that its Prometheus never takes these metrics for its own.
    """

    server: MetricsProcessServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE_CONNECTION_SECONDS

    def do_GET(self) -> None:
        """Answer with the metrics, the active faults, or 404."""
        if not contract.has_metrics(self.path.partition("?")[0], self.server.run_id):
            self._answer_faults()
            return
        for_prometheus = self.headers.get("User-Agent", "").startswith("Prometheus/")
        if self.server.metrics.is_down(for_prometheus=for_prometheus):
            self.close_connection = True
            return
        openmetrics = accepts_openmetrics(self.headers.get("Accept", ""))
        kind = contract.OPENMETRICS_CONTENT_TYPE if openmetrics else contract.CONTENT_TYPE
        self._send(
            HTTPStatus.OK,
            kind,
            self.server.metrics.render(for_prometheus=for_prometheus, openmetrics=openmetrics),
        )

    def do_POST(self) -> None:
        """Set faults."""
        self._answer_faults()

    def do_DELETE(self) -> None:
        """End every fault."""
        self._answer_faults()

    def _answer_faults(self) -> None:
        faults = self.server.metrics.faults() if self.path == active_faults.PATH else None
        if faults is None:
            self.send_error(HTTPStatus.NOT_FOUND, "Only this run's /metrics is here")
            return
        headers: Any = self.headers  # a Message, which is no Mapping
        body: Any = self.rfile
        status, answer = active_faults.answer(faults, self.command, headers, body)
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
        """Log nothing: a line a second would drown the application's own."""


def accepts_openmetrics(accept: str) -> bool:
    """Return whether an Accept header names OpenMetrics.

    Its weights are not compared: every client that can read OpenMetrics gets the exemplars.
    """
    return any(
        choice.partition(";")[0].strip() == contract.OPENMETRICS for choice in accept.split(",")
    )


class MetricsProcessServer(ThreadingHTTPServer):
    """An HTTP server on a socket that the application bound before this process existed."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, metrics: ServerMetrics) -> None:
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.metrics = metrics
        self.run_id = os.environ.get(contract.RUN_ID_VARIABLE, "")


def end_with_application() -> None:
    """Exit when the application does, killed or not: its end of our standard input closes then."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve until the application is gone."""
    cells_descriptor, listener_descriptor, pid = map(int, sys.argv[1:])
    # Ctrl-C reaches the whole terminal; the application decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_application, daemon=True).start()
    MetricsProcessServer(
        socket.socket(fileno=listener_descriptor), ServerMetrics(Cells(cells_descriptor), pid)
    ).serve_forever()


if __name__ == "__main__":
    main()
