"""gunicorn: each worker process tells its own part, and the metrics endpoint adds them up.

| worker | busy against its number | queue | connections |
|---|---|---|---|
| sync | 1 a process | in the kernel's accept queue | one for each worker |
| gthread | `threads` a process | in the thread pool | against `worker_connections` |
| gevent | a greenlet for each connection | none | against `worker_connections` |
| asgi | a task for each request | none | not limited: `worker_connections` is not enforced |
"""

from __future__ import annotations

import threading
from time import perf_counter
from typing import TYPE_CHECKING, Any

from firedrill.contract import Server
from firedrill.telemetry.import_hooks import call_around, call_before, when_imported
from firedrill.telemetry.middleware.request_metrics import ACCEPTED
from firedrill.telemetry.servers.pool import Pool
from firedrill.telemetry.servers.server_report import UNBOUNDED, report_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_request = threading.local()
"""`waited_seconds`: how long the connection that this thread handles waited in the pool's queue."""


def watch() -> None:
    """Measure every worker that runs from now on."""
    when_imported("gunicorn.workers.sync", watch_sync)
    when_imported("gunicorn.workers.gthread", watch_threads)
    when_imported("gunicorn.workers.ggevent", watch_gevent)
    when_imported("gunicorn.workers.gasgi", watch_asgi)
    when_imported("gunicorn.http.wsgi", watch_requests)


def watch_sync(module: ModuleType) -> None:
    """Measure workers that handle one connection at a time."""

    def run(worker: Any) -> None:
        report_server("gunicorn sync", threads=1, processes=worker.cfg.workers)
        worker.firedrill_pool = Pool(1, has_queue=False)

    call_before(module.SyncWorker, "run", run)
    call_around(module.SyncWorker, "handle", handle)


def handle(method: Callable[..., Any], worker: Any, *arguments: Any) -> Any:
    """Handle a connection, and mark the worker busy meanwhile."""
    pool: Pool | None = getattr(worker, "firedrill_pool", None)
    busy = pool.begin() if pool else None
    try:
        return method(worker, *arguments)
    finally:
        if pool:
            pool.end(busy)


def watch_threads(module: ModuleType) -> None:
    """Measure workers with a pool of threads."""

    def run(worker: Any) -> None:
        report_server(
            "gunicorn gthread",
            threads=worker.cfg.threads,
            processes=worker.cfg.workers,
            limits={Server.CONNECTIONS_LIMIT: worker.cfg.worker_connections},
        )
        worker.firedrill_pool = Pool(worker.cfg.threads)

    def enqueue(worker: Any, connection: Any) -> None:
        connection.firedrill_queued = perf_counter()
        worker.firedrill_pool.enter()

    call_before(module.ThreadWorker, "run", run)
    call_before(module.ThreadWorker, "enqueue_req", enqueue)
    call_around(module.ThreadWorker, "handle", handle_in_thread)


def handle_in_thread(method: Callable[..., Any], worker: Any, connection: Any) -> Any:
    """Handle a connection that has waited in the queue, and mark a thread busy meanwhile."""
    pool: Pool | None = getattr(worker, "firedrill_pool", None)
    queued = getattr(connection, "firedrill_queued", None)
    if pool is None or queued is None:
        return method(worker, connection)
    _request.waited_seconds = perf_counter() - queued
    busy = pool.begin(queued)
    try:
        return method(worker, connection)
    finally:
        pool.end(busy)


def watch_requests(module: Any) -> None:
    """Tell the middleware how long a request has waited.

    A thread may wait for the first byte of a connection. That is the client's time, so the wait is
    counted back from the moment at which the request was read.
    """
    create = module.create

    def measured(*arguments: Any, **named: Any) -> Any:
        created = create(*arguments, **named)
        waited = _request.__dict__.pop("waited_seconds", None)
        if waited is not None:
            created[1][ACCEPTED] = perf_counter() - waited
        return created

    module.create = measured


def watch_gevent(module: ModuleType) -> None:
    """Measure workers with a greenlet for each connection."""

    def run(worker: Any) -> None:
        report_server(
            "gunicorn gevent",
            processes=worker.cfg.workers,
            limits={Server.CONNECTIONS_LIMIT: worker.worker_connections * len(worker.sockets)},
        )

    call_before(module.GeventWorker, "run", run)


def watch_asgi(module: ModuleType) -> None:
    """Tell the kind of a worker with an event loop."""

    def run(worker: Any) -> None:
        report_server("gunicorn asgi", threads=UNBOUNDED, processes=worker.cfg.workers)

    call_before(module.ASGIWorker, "run", run)
