"""hypercorn: the number of its processes. It limits neither requests nor connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firedrill.telemetry.import_hooks import call_before
from firedrill.telemetry.servers.server_report import report_server

if TYPE_CHECKING:
    from types import ModuleType


def watch(module: ModuleType) -> None:
    """Tell of every server that `hypercorn.asyncio.lifespan` starts from now on."""
    call_before(module.Lifespan, "wait_for_startup", report_limits)


def report_limits(lifespan: Any) -> None:
    """Tell the kind of a server."""
    report_server("hypercorn", processes=lifespan.config.workers)
