"""waitress: its queue, its threads and its connections, by `serve()` or by `waitress-serve`.

Every event (request complete, worker starts, worker done) writes cells.
"""

from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

from firedrill.contract import Server
from firedrill.telemetry.import_hooks import call_after, call_around, call_before
from firedrill.telemetry.middleware.request_metrics import ACCEPTED
from firedrill.telemetry.servers.pool import Pool
from firedrill.telemetry.servers.server_report import report_server, report_to

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import ModuleType

    from firedrill.telemetry import Telemetry

BACKLOG = 1024
"""Length of the kernel's accept queue, capped by net.core.somaxconn."""
OWN_DESCRIPTORS = 2
"""Descriptors that waitress counts against `connection_limit`: its listener and wake-up pipe."""


def watch(module: ModuleType) -> None:
    """Measure every server of `waitress.server` that starts from now on."""
    parser, task = sys.modules["waitress.parser"], sys.modules["waitress.task"]
    channel = sys.modules["waitress.channel"]
    call_after(parser.HTTPRequestParser, "received", note_acceptance)
    call_after(task.WSGITask, "get_environment", hand_over_acceptance)
    call_before(task.ThreadedTaskDispatcher, "add_task", enter_queue)
    call_before(channel.HTTPChannel, "cancel", leave_queue)
    call_around(channel.HTTPChannel, "service", serve)
    call_before(module.BaseWSGIServer, "accept_connections", report_limits)


def report_limits(server: Any) -> None:
    """Tell the limits of a server that starts; servers of several sockets share their threads."""
    if not hasattr(server.task_dispatcher, "firedrill_pool"):
        server.task_dispatcher.firedrill_pool = Pool(server.adj.threads)
        connections = server.adj.connection_limit - OWN_DESCRIPTORS
        report_server(
            "waitress",
            threads=server.adj.threads,
            limits={Server.CONNECTIONS_LIMIT: connections},
        )


def note_acceptance(request: Any, *_: object) -> None:
    """Keep the time at which the last byte of a request arrived.

    The wait of a pipelined request for its predecessor then counts as queue wait.
    """
    if request.completed:
        request.firedrill_accepted = perf_counter()


def hand_over_acceptance(task: Any, environ: dict[str, Any]) -> None:
    """Tell the middleware when the request was accepted."""
    environ[ACCEPTED] = task.request.firedrill_accepted


def enter_queue(dispatcher: Any, _channel: Any) -> None:
    """Count a request that waits for a thread."""
    dispatcher.firedrill_pool.enter()


def leave_queue(channel: Any) -> None:
    """Count a request that the server gives up, because it shuts down."""
    channel.server.task_dispatcher.firedrill_pool.leave()


def serve(service: Callable[[Any], None], channel: Any) -> None:
    """Serve a connection's first request, and mark a thread busy meanwhile."""
    pool: Pool | None = getattr(channel.server.task_dispatcher, "firedrill_pool", None)
    if pool is None:
        service(channel)
        return
    worker = pool.begin(getattr(channel.requests[0], "firedrill_accepted", None))
    try:
        service(channel)
    finally:
        pool.end(worker)


def waitress_server(
    app: Callable[..., Any],
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
    from waitress.server import create_server  # noqa: PLC0415 -- who has another server may lack it

    report_to(telemetry.cells)
    return create_server(
        app,
        sockets=[listener],
        threads=threads,
        connection_limit=connection_limit,
        backlog=backlog or BACKLOG,
    )
