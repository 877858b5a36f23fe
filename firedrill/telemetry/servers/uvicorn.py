"""uvicorn: its limit of connections. It has no pool of workers and no queue.

With `--limit-concurrency N`, a request gets 503 as soon as N connections are open, its own included
(`len(connections) >= limit_concurrency` in uvicorn's protocols): N - 1 connections are served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firedrill.contract import Server
from firedrill.telemetry.import_hooks import call_before
from firedrill.telemetry.servers.server_report import report_server

if TYPE_CHECKING:
    from types import ModuleType


def watch(module: ModuleType) -> None:
    """Measure every server of `uvicorn.server` that starts from now on."""
    call_before(module.Server, "startup", report_limits)


def report_limits(server: Any, *_: object, **__: object) -> None:
    """Tell the limits of one process."""
    limit = server.config.limit_concurrency
    report_server(
        "uvicorn",
        processes=server.config.workers,
        limits={} if limit is None else {Server.CONNECTIONS_LIMIT: max(0, limit - 1)},
    )
