"""The server's page: what it answers, how fast, and what its requests wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.source import golden_signals_panels
from grafana.source import server_panels as asked
from grafana.source.dashboard_layout import Row, leading_to, page
from grafana.source.panel_style import (
    FRESH,
    LIMITS,
    by_decades,
    by_status,
    chart,
    number,
    rows,
    spread,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import dashboard

STRIP = [
    number(asked.RATE),
    number(asked.ERROR_SHARE),
    number(golden_signals_panels.SERVER_P99),
    number(asked.QUEUE_WAIT),
    number(asked.WORKERS_BUSY, LIMITS),
    number(asked.CPU, LIMITS),
    number(asked.MEMORY),
    number(golden_signals_panels.LAST_SCRAPE, FRESH),
    number(golden_signals_panels.TIME_SCALE),
]

ROWS = (
    Row(3, STRIP[:4]),
    Row(3, STRIP[4:], (5, 5, 5, 5, 4)),
    Row(8, [by_status(chart(golden_signals_panels.STATUS_CODES)), by_decades(chart(asked.TIMES))]),
    Row(8, [spread(golden_signals_panels.SERVER_HEATMAP), by_decades(chart(asked.QUEUE))]),
    Row(7, [rows(asked.ROUTES, {"http_request_method": "method", "http_route": "route"})]),
    Row(
        8,
        [
            chart(asked.RATE_BY_ROUTE),
            by_decades(chart(asked.P99_BY_ROUTE)),
            chart(asked.ERRORS_BY_ROUTE),
        ],
    ),
    Row(8, leading_to("saturation", chart(asked.INSIDE), chart(asked.LAG))),
    Row(
        8,
        [
            *leading_to("saturation", chart(asked.COMPUTING)),
            chart(asked.MEMORY_OVER_TIME),
            chart(asked.THREADS),
        ],
    ),
)


def build() -> dashboard.Dashboard:
    """The dashboard."""
    return page(
        "server",
        "Server (API)",
        "What the API answers, how fast, and what its requests wait for.",
        ROWS,
    )
