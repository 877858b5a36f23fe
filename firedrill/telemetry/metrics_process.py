"""The metrics process: serves an application's metrics while every thread of it computes.

`publisher.py` starts it as
`python -m firedrill.telemetry.metrics_process HOST PORT PID`, with the application's registry, a
Unix socket, as descriptor 3. PID is the process that asked for it, for whoever looks at the list of
processes. It reads the cells of all processes of the application in shared memory and asks the
kernel about them. It ends when the last of them has ended.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, perf_counter, sleep
from typing import TYPE_CHECKING, Any

from firedrill import contract
from firedrill.contract import LOOPBACK, Server
from firedrill.errors import BadInput
from firedrill.exposition import render, render_openmetrics
from firedrill.fault_kinds import FAULT_KINDS
from firedrill.telemetry import active_faults, kernel
from firedrill.telemetry.application.members import ACCUMULATED, FAMILIES, Member, Members
from firedrill.telemetry.publisher import (
    GOODBYE,
    LISTENER_DESCRIPTOR,
    REGISTRY_DESCRIPTOR,
    listening_socket,
)
from firedrill.telemetry.shared_cells import BUSY_SINCE, FINISHED_BUSY, SAMPLED_AT, Cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from firedrill.exposition import Exemplar, Exemplars, Sample

    Row = tuple[str, tuple[str, ...], list[float]]
    Key = tuple[str, tuple[str, ...]]
    """Name and label values of a series."""

STAMPED = frozenset((SAMPLED_AT.name, FINISHED_BUSY.name, BUSY_SINCE.name))
EQUAL = frozenset((Server.BUILD_INFO.name, Server.SERVER_INFO.name))
"""Gauges that each process exports alike; all others are added up."""
WITH_EXEMPLARS = frozenset(metric.name for metric in FAMILIES if metric.exemplars)
IDLE_CONNECTION_SECONDS = 60.0
NEW_SERIES_SECONDS = 30.0
"""A series added since a scrape at most this old begins at 0.

After a longer gap its count belongs to a time that nobody watched.
"""
LOOK_SECONDS = 0.2
"""Time between two looks at which processes still run."""
PORT_SECONDS = 1.0
"""Time for which a taken port is waited for: an endpoint that ends may still have it."""
FIRST_MEMBER_SECONDS = 30.0
MOST_SERIES_BY_PROCESS = 64
"""Processes with series of their own; later ones are in the sums alone."""
LARGEST_MESSAGE_BYTES = 4096


class NewSeries:
    """Shows a new counter or histogram as 0 once: rate() misses the increment that it begins with.

    Only Prometheus gets the zero, and only for a series that appeared since its last scrape, when
    it was 0. Everybody else sees the count at once. An error's first occurrence is then an increase
    that an alert can see, one scrape later.
    """

    def __init__(self) -> None:
        self._seen: set[Key] = set()
        self._scraped_at = -NEW_SERIES_SECONDS

    def since_last_scrape(self, series: Iterable[Key], now: float) -> set[Key]:
        """Return the series to show as 0 in this scrape."""
        recent = now - self._scraped_at <= NEW_SERIES_SECONDS
        present = set(series)
        new = {key for key in present - self._seen if key[0] in ACCUMULATED} if recent else set()
        self._seen, self._scraped_at = present, now
        return new


class ServerMetrics:
    """The metrics of one application, rendered on request."""

    def __init__(self, members: Members) -> None:
        self.members = members
        self._new_series = NewSeries()
        self._stop_was_scraped = False
        self._busy_seconds = 0.0

    def render(self, *, for_prometheus: bool, openmetrics: bool = False) -> bytes:
        """Return all metrics of this moment."""
        with self.members.lock:
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
        """Return the last exemplar of each bucket among the processes that run."""
        last: dict[Key, list[Exemplar | None]] = {}
        for member in self.members.running:
            for series in member.cells.series():
                if series.name not in WITH_EXEMPLARS:
                    continue
                mine = member.cells.exemplars(series)
                others = last.get((series.name, series.labels), [None] * len(mine))
                last[series.name, series.labels] = [
                    max((one, other), key=lambda exemplar: exemplar.timestamp if exemplar else 0.0)
                    for one, other in zip(mine, others, strict=False)
                ]
        return last

    def faults(self) -> active_faults.ActiveFaults | None:
        """Return the active faults; None if the application takes none."""
        return active_faults.find(self.members.sources())

    def is_down(self, *, for_prometheus: bool) -> bool:
        """Return whether this scrape goes unanswered, as one of a stopped API.

        The first scrape of a stop is still answered, so that the stop can be charted.
        """
        with self.members.lock:
            faults = self.faults()
        stopped = bool(faults and faults.size("stop"))
        is_down = stopped and self._stop_was_scraped
        self._stop_was_scraped = stopped and (is_down or for_prometheus)
        return is_down

    def _rows(self, *, for_prometheus: bool) -> Iterator[Row]:
        sums = self._sums()
        new = self._new_series.since_last_scrape(sums, perf_counter()) if for_prometheus else set()
        yield from (
            (*key, [0.0] * len(values) if key in new else values) for key, values in sums.items()
        )
        yield from self._from_stamps()
        if faults := self.faults():
            yield from (
                (Server.FAULT_ACTIVE.name, (fault,), [faults.size(fault)]) for fault in FAULT_KINDS
            )
        pids = sorted({member.process.pid for member in self.members.running})
        yield from (
            (metric.name, labels, [value]) for metric, labels, value in kernel.readings(pids)
        )
        yield from self._process_rows()

    def _sums(self) -> dict[Key, list[float]]:
        """Return every series, added up over the processes; gauges over those that run."""
        sums: dict[Key, list[float]] = {}
        running = {id(member.cells) for member in self.members.running}
        for cells in self.members.sources():
            for series in cells.series():
                counts = series.name in ACCUMULATED
                if series.name in STAMPED or not (counts or id(cells) in running):
                    continue
                values = cells.read(series)
                if not counts:
                    values = [max(0.0, value) for value in values]
                key = (series.name, series.labels)
                present = sums.get(key)
                if present is None or series.name in EQUAL:
                    sums[key] = values
                elif len(present) == len(values):
                    sums[key] = [one + other for one, other in zip(present, values, strict=True)]
        return sums

    def _from_stamps(self) -> Iterator[Row]:
        """Yield figures that need the time of the scrape, such as workers that are still busy."""
        now = perf_counter()
        stamps = [(cells, _stamps(cells)) for cells in self.members.sources()]
        by_cells = {id(cells): stamped for cells, stamped in stamps}
        running = [by_cells[id(member.cells)] for member in self.members.running]
        if sampled := [at for stamped in running for at in stamped[SAMPLED_AT.name] if at]:
            yield Server.METRICS_AGE.name, (), [now - min(sampled)]
        if not any(stamped[FINISHED_BUSY.name] for stamped in by_cells.values()):
            return
        finished = sum(sum(stamped[FINISHED_BUSY.name]) for stamped in by_cells.values())
        since = [at for stamped in running for at in stamped[BUSY_SINCE.name] if at]
        # A worker clears its stamp before it adds to the sum, which was read before the stamps:
        # the result is too small for an instant, never too large.
        self._busy_seconds = max(
            self._busy_seconds, finished + sum(max(0.0, now - at) for at in since)
        )
        yield Server.BUSY_SECONDS.name, (), [self._busy_seconds]
        yield Server.WORKERS_BUSY.name, (), [float(len(since))]
        for member in self.members.running:
            if member.slot < MOST_SERIES_BY_PROCESS:
                busy = sum(bool(at) for at in by_cells[id(member.cells)][BUSY_SINCE.name])
                yield Server.PROCESS_WORKERS_BUSY.name, (str(member.slot),), [float(busy)]

    def _process_rows(self) -> Iterator[Row]:
        """Yield what the processes use of the machine, added up and each alone."""
        members = {member.process: member for member in reversed(self.members.running)}.values()
        used = [(member.slot, member.measure()) for member in members]
        usages = [usage for _, usage in used]
        # The process that is nearest to its limit.
        fullest = max(
            usages,
            key=lambda usage: usage.open_descriptors / (usage.descriptor_limit or 1),
            default=kernel.Usage(),
        )
        cpu_seconds = self.members.ended_cpu_seconds + sum(usage.cpu_seconds for usage in usages)
        application = self.members.oldest()
        begun = kernel.start_time_seconds(application.started) if application else None
        sums = (
            ("process_cpu_seconds_total", cpu_seconds),
            ("process_resident_memory_bytes", sum(usage.resident_bytes for usage in usages)),
            ("process_virtual_memory_bytes", sum(usage.virtual_bytes for usage in usages)),
            ("process_start_time_seconds", begun),
            ("process_open_fds", fullest.open_descriptors),
            ("process_max_fds", fullest.descriptor_limit or None),
            (Server.PROCESSES.name, len(used)),
        )
        yield from ((name, (), [float(value)]) for name, value in sums if value is not None)
        for slot, usage in used:
            if slot < MOST_SERIES_BY_PROCESS:
                yield Server.PROCESS_CPU.name, (str(slot),), [usage.cpu_seconds]
                yield Server.PROCESS_MEMORY.name, (str(slot),), [usage.resident_bytes]


def _stamps(cells: Cells) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in STAMPED}
    # In the order of the directory: a pool reserves the sum before its stamps.
    for series in cells.series():
        if series.name in STAMPED:
            found[series.name] += cells.read(series)
    return found


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
        with self.server.metrics.members.lock:
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
    """An HTTP server on a bound socket."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, metrics: ServerMetrics) -> None:
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.metrics = metrics
        self.run_id = os.environ.get(contract.RUN_ID_VARIABLE, "")

    def serve_in_background(self) -> None:
        """Serve until the process ends."""
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Endpoint:
    """The registry of an application's processes, and the port on which their metrics are."""

    def __init__(self, registry: socket.socket, host: str, port: int) -> None:
        self.members = Members()
        self._metrics = ServerMetrics(self.members)
        self._host, self._port = host, port
        self._registry = registry
        self._selector = selectors.DefaultSelector()
        self._member_of: dict[socket.socket, Member] = {}
        self._told = False
        self._next_try_at = 0.0
        self._wants_port = False
        self._address: dict[str, Any] = {}

    def open_port(self, inherited: socket.socket | None) -> None:
        """Serve the port that was asked for, or a free one until it can be had."""
        listener, obstacle = inherited, ""
        until = monotonic() + PORT_SECONDS
        while listener is None:
            try:
                listener = listening_socket(self._host, self._port, "the metrics endpoint")
            except (BadInput, OSError) as error:
                if monotonic() > until:
                    obstacle = str(error.__cause__ or error)
                    listener = listening_socket(self._refuge(), 0, "the metrics endpoint")
                sleep(0.02)
        self._wants_port = bool(obstacle)
        name = listener.getsockname()
        self._address = {"host": name[0], "port": name[1], "obstacle": obstacle}
        MetricsProcessServer(listener, self._metrics).serve_in_background()

    def _refuge(self) -> str:
        """Return the host that was asked for if it is one of this machine, or else loopback."""
        try:
            listening_socket(self._host, 0, "a test").close()
        except (BadInput, OSError):
            return LOOPBACK
        return self._host

    def serve(self) -> None:
        """Take in processes, and return when the last one has ended."""
        self._registry.setblocking(False)
        self._selector.register(self._registry, selectors.EVENT_READ)
        look_at, give_up_at = 0.0, monotonic() + FIRST_MEMBER_SECONDS
        registered = False
        while not (registered and self._is_over()) and (registered or monotonic() < give_up_at):
            for ready, _ in self._selector.select(LOOK_SECONDS):
                link = ready.fileobj
                if link is self._registry:
                    self._accept()
                elif isinstance(link, socket.socket):
                    with self.members.lock:
                        self._hear(link)
            registered = registered or bool(self.members.running)
            if monotonic() >= look_at:
                look_at = monotonic() + LOOK_SECONDS
                with self.members.lock:
                    self.members.remove_ended()
                self._take_wanted_port()

    def _is_over(self) -> bool:
        """Return whether nobody is left, nor waits to be taken in."""
        with self.members.lock:
            return self.members.are_over() and not self._selector.select(0)

    def _accept(self) -> None:
        try:
            link, _ = self._registry.accept()
        except OSError:
            sleep(LOOK_SECONDS)  # no descriptor is left: some process may end
            return
        link.setblocking(False)
        self._selector.register(link, selectors.EVENT_READ)

    def _hear(self, link: socket.socket) -> None:
        descriptors: list[int] = []
        try:
            text, descriptors, _, _ = socket.recv_fds(
                link, LARGEST_MESSAGE_BYTES, 2, socket.MSG_CMSG_CLOEXEC
            )
            if text and link not in self._member_of:
                self._take_in(link, text, descriptors)
                return
        except BlockingIOError:
            return
        except (OSError, ValueError, TypeError, KeyError):
            text = b""
            for descriptor in descriptors:
                with suppress(OSError):
                    os.close(descriptor)
        member = self._member_of.pop(link, None)
        if member and text.endswith(GOODBYE):
            self.members.remove(member)
        # Without a goodbye it may have lost its link and go on: it stays until it ends.
        self._selector.unregister(link)
        link.close()

    def _take_in(self, link: socket.socket, text: bytes, descriptors: list[int]) -> None:
        member = self.members.register(text, descriptors)
        self._member_of[link] = member
        answer = {**self._address, "tell": self._wants_port and not self._told}
        self._told = True
        with suppress(OSError):  # it has ended already; its counts are here
            socket.send_fds(
                link, [json.dumps(answer).encode() + b"\n"], [self.members.store.descriptor]
            )

    def _take_wanted_port(self) -> None:
        if self._wants_port and monotonic() >= self._next_try_at:
            self._next_try_at = monotonic() + PORT_SECONDS
            with suppress(BadInput, OSError):
                listener = listening_socket(self._host, self._port, "the metrics endpoint")
                MetricsProcessServer(listener, self._metrics).serve_in_background()
                self._wants_port = False


def close_others() -> None:
    """Close what the server left open to its children, such as its own port."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 -- its own descriptor is among them
        if int(name) > LISTENER_DESCRIPTOR:
            with suppress(OSError):
                os.close(int(name))


def main() -> None:
    """Serve until the application is gone."""
    # A terminal or a service manager asks all its processes to end. The application decides when
    # it does, and its last requests are counted until then.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    host, port, _ = sys.argv[1:]
    registry = socket.socket(fileno=REGISTRY_DESCRIPTOR)
    try:
        inherited = socket.socket(fileno=LISTENER_DESCRIPTOR)
    except OSError:
        inherited = None
    close_others()
    endpoint = Endpoint(registry, host, int(port))
    endpoint.open_port(inherited)
    endpoint.serve()
    os._exit(0)


if __name__ == "__main__":
    main()
