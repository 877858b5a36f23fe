"""The figures that the server of this process reports, and the cells that hold them.

A server may start before its application is instrumented, or after.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from firedrill.contract import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from firedrill.contract import Metric
    from firedrill.telemetry.shared_cells import Cells

    Report = Callable[[Cells], None]

UNBOUNDED = "unbounded"
"""Label of a server that starts a thread, or a task, for each connection or request."""
LOG = logging.getLogger("firedrill")


class _Receiver:
    """The cells of the application that was instrumented last, and reports that wait for one."""

    def __init__(self) -> None:
        self.cells: Cells | None = None
        self.waiting: list[Report] = []


_RECEIVER = _Receiver()


def report_to(cells: Cells) -> None:
    """Tell these cells what the server of this process told, and what it will tell."""
    _RECEIVER.cells = cells
    waiting, _RECEIVER.waiting = _RECEIVER.waiting, []
    for report in waiting:
        _tell(report, cells)


def report(tell: Report) -> None:
    """Call `tell` with the cells of the application, now or once one is instrumented.

    Call it when a server starts: this process serves, so it begins to publish.
    """
    if _RECEIVER.cells is None:
        _RECEIVER.waiting.append(tell)
    else:
        _tell(tell, _RECEIVER.cells)


def _tell(tell: Report, cells: Cells) -> None:
    try:
        cells.enter()
        tell(cells)
    except Exception:
        LOG.debug("the server's limits are not known", exc_info=True)


def report_server(
    server: str,
    *,
    threads: int | str = UNBOUNDED,
    processes: int | str = 1,
    limits: dict[Metric, int] | None = None,
) -> None:
    """Tell which server this is, and those of its limits that are known, for this process."""

    def tell(cells: Cells) -> None:
        labels = (server, str(threads), str(processes))
        cells.set_constant(cells.reserve(Server.SERVER_INFO, labels), 1)
        for metric, limit in (limits or {}).items():
            cells.set_constant(cells.reserve(metric), limit)

    report(tell)
