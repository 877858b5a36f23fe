"""granian: its workers are written in Rust; the limits are those with which they are made.

A process takes `backpressure` requests at a time; later connections wait in the kernel. By WSGI, at
most `blocking_threads` of them run. How many wait for a thread cannot be seen.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from firedrill.contract import Server
from firedrill.telemetry.servers.server_report import UNBOUNDED, report_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


def watch(module: ModuleType) -> None:
    """Tell of every worker that `granian.server.mp` or `.mt` makes from now on."""
    for name in ("ASGIWorker", "WSGIWorker"):
        setattr(module, name, reporting(getattr(module, name), is_wsgi=name == "WSGIWorker"))


def reporting(make: Callable[..., Any], *, is_wsgi: bool) -> Callable[..., Any]:
    """Return a function that makes a worker and tells its limits."""

    def made(*arguments: Any, **named: Any) -> Any:
        # The arguments are positional and change from version to version; their names do not.
        settings = sys._getframe(1).f_locals  # noqa: SLF001
        connections, threads = settings.get("backpressure"), settings.get("blocking_threads")
        report_server(
            "granian",
            threads=threads if is_wsgi and threads else UNBOUNDED,
            processes="unknown",
            limits={Server.CONNECTIONS_LIMIT: connections} if connections else {},
        )
        return make(*arguments, **named)

    return made
