"""Dashboard 'Server (API)': responses, their times, and what requests wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.source import golden_signals_panels
from grafana.source import server_panels as panels
from grafana.source.dashboard_layout import Row, Section, linked_to, page
from grafana.source.panel_style import (
    AGE_THRESHOLDS,
    USE_THRESHOLDS,
    colored_by_status,
    heatmap_panel,
    line_chart,
    on_logarithmic_axis,
    stat_panel,
    table_panel,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import dashboard

STRIP = [
    stat_panel(panels.RATE),
    stat_panel(panels.ERROR_SHARE),
    stat_panel(golden_signals_panels.SERVER_P99),
    stat_panel(panels.QUEUE_WAIT),
    stat_panel(panels.WORKERS_BUSY, USE_THRESHOLDS),
    stat_panel(panels.CPU, USE_THRESHOLDS),
    stat_panel(panels.MEMORY),
    stat_panel(golden_signals_panels.LAST_SCRAPE, AGE_THRESHOLDS),
    stat_panel(golden_signals_panels.TIME_SCALE),
]

ROWS = (
    Row(3, STRIP[:4]),
    Row(3, STRIP[4:], (5, 5, 5, 5, 4)),
    Row(
        7,
        [
            *linked_to("saturation", line_chart(panels.INSIDE)),
            on_logarithmic_axis(line_chart(panels.TIMES)),
        ],
    ),
    Row(
        7,
        [
            colored_by_status(line_chart(golden_signals_panels.STATUS_CODES)),
            on_logarithmic_axis(line_chart(panels.QUEUE)),
        ],
    ),
    Section("Routes: which one is slow or fails?"),
    Row(6, [table_panel(panels.ROUTES, {"http_request_method": "method", "http_route": "route"})]),
    Row(
        7,
        [
            line_chart(panels.RATE_BY_ROUTE),
            on_logarithmic_axis(line_chart(panels.P99_BY_ROUTE)),
            line_chart(panels.ERRORS_BY_ROUTE),
        ],
    ),
    Section("Process: what does it compute with?", is_collapsed=True),
    Row(7, linked_to("saturation", line_chart(panels.COMPUTING), line_chart(panels.LAG))),
    Row(7, [line_chart(panels.MEMORY_OVER_TIME), line_chart(panels.THREADS)]),
    Section("Distribution of response times", is_collapsed=True),
    Row(8, [heatmap_panel(golden_signals_panels.SERVER_HEATMAP)]),
)


def build() -> dashboard.Dashboard:
    """Build the dashboard."""
    return page(
        "server",
        "Responses of the API, their times, and what requests wait for.",
        ROWS,
    )
