"""WSGI servers that export their queue, their busy workers and their limits.

waitress: its dispatcher and channel are subclassed, so that every event (request complete, worker
starts, worker done) writes cells. Flask's development server starts a thread for each connection:
it has no queue and no limit, so none is exported.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server
from waitress.task import ThreadedTaskDispatcher, WSGITask
from werkzeug.serving import BaseWSGIServer, make_server

from firedrill.contract import LATENCY_BOUNDS_SECONDS, Server
from firedrill.telemetry.instrumentation import UNBOUNDED
from firedrill.telemetry.middleware.request_metrics import ACCEPTED
from firedrill.telemetry.shared_cells import BUSY_SINCE, FINISHED_BUSY, Cells, observe

if TYPE_CHECKING:
    import socket

    from flask import Flask

    from firedrill.telemetry.instrumentation import Telemetry

BACKLOG = 1024
"""Length of the kernel's accept queue, capped by net.core.somaxconn."""
OWN_DESCRIPTORS = 2
"""Descriptors that waitress counts against `connection_limit`: its listener and wake-up pipe."""


class Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress is untyped
    """A request that keeps the time at which its last byte arrived.

    The wait of a pipelined request for its predecessor then counts as queue wait.
    """

    accepted = 0.0

    def received(self, data: bytes) -> int:
        """Parse data; return the bytes consumed."""
        consumed: int = super().received(data)
        if self.completed:
            self.accepted = perf_counter()
        return consumed


class Task(WSGITask):  # type: ignore[misc]  # waitress is untyped
    """A task that hands the time of acceptance to the middleware."""

    def get_environment(self) -> dict[str, Any]:
        """Return the WSGI environment."""
        environ: dict[str, Any] = super().get_environment()
        environ[ACCEPTED] = self.request.accepted
        return environ


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress is untyped
    """A connection, whose `service()` runs in a worker for one request."""

    parser_class = Parser
    task_class = Task

    def service(self) -> None:
        """Serve the first waiting request, and mark a worker busy meanwhile."""
        pool: Pool = self.server.task_dispatcher.pool
        worker = pool.begin(self.requests[0].accepted)
        try:
            super().service()
        finally:
            pool.end(worker)

    def cancel(self) -> None:
        """Leave the queue unserved, because the server shuts down."""
        self.server.task_dispatcher.pool.leave()
        super().cancel()


class Pool:
    """The cells of a pool of workers.

    A worker's stamp is the time since which it is busy. The metrics process turns stamps into busy
    workers and busy seconds.
    """

    def __init__(self, cells: Cells, workers: int) -> None:
        self._cells = cells
        self._wait = cells.reserve(Server.QUEUE_WAIT)
        self._depth = cells.reserve(Server.QUEUE_DEPTH)
        self._finished = cells.reserve(FINISHED_BUSY)
        self._idle = [cells.reserve(BUSY_SINCE, (str(number),)) for number in range(workers)]

    def enter(self) -> None:
        """Count a request that waits for a worker."""
        self._cells.add(self._depth)

    def leave(self) -> None:
        """Count a request that waits no longer and will not be served."""
        self._cells.add(self._depth, -1)

    def begin(self, accepted: float) -> int:
        """Mark a worker busy with a request; return the cell of its stamp."""
        worker = self._idle.pop()
        now = perf_counter()
        with self._cells.lock:
            self._cells.values[self._depth] -= 1
            observe(self._cells.values, self._wait, LATENCY_BOUNDS_SECONDS, now - accepted)
            self._cells.values[worker] = now
        return worker

    def end(self, worker: int) -> None:
        """Mark the worker idle."""
        with self._cells.lock:
            begun = self._cells.values[worker]
            # Cleared before its time is added, on which the metrics process relies.
            self._cells.values[worker] = 0.0
            self._cells.values[self._finished] += perf_counter() - begun
        self._idle.append(worker)


class Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]  # waitress is untyped
    """waitress' pool of threads, with its queue counted."""

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool

    def add_task(self, task: Channel) -> None:
        """Queue a request."""
        self.pool.enter()
        super().add_task(task)


def waitress_server(
    app: Flask,
    telemetry: Telemetry,
    listener: socket.socket,
    *,
    threads: int = 4,
    connection_limit: int = 100,
    backlog: int | None = None,
) -> Any:
    """Return a waitress server on a bound socket, with waitress' own defaults.

    `run()` serves until SystemExit or KeyboardInterrupt.
    """
    dispatcher = Dispatcher(Pool(telemetry.cells, threads))
    dispatcher.set_thread_count(threads)
    server = create_server(
        app,
        _dispatcher=dispatcher,
        sockets=[listener],
        threads=threads,
        connection_limit=connection_limit,
        backlog=backlog or BACKLOG,
    )
    server.channel_class = Channel
    telemetry.set(Server.SERVER_INFO, 1, "waitress", str(threads), "1")
    telemetry.set(Server.WORKERS_LIMIT, threads)
    telemetry.set(Server.CONNECTIONS_LIMIT, connection_limit - OWN_DESCRIPTORS)
    telemetry.start()
    return server


def development_server(
    app: Flask, telemetry: Telemetry, listener: socket.socket, *, backlog: int | None = None
) -> BaseWSGIServer:
    """Return Flask's development server, threaded, on a bound socket.

    `serve_forever()` serves until KeyboardInterrupt or SystemExit. With `backlog` None, werkzeug's
    own holds.
    """
    host, port = listener.getsockname()[:2]
    server = make_server(host, port, app, threaded=True, fd=listener.fileno())
    server.socket.listen(backlog or server.request_queue_size)
    telemetry.set(Server.SERVER_INFO, 1, "werkzeug", UNBOUNDED, "1")
    telemetry.start()
    return server
