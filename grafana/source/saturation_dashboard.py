"""Dashboard 'Saturation': use of every limit, and what is behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.source import golden_signals_panels, server_panels
from grafana.source import saturation_panels as panels
from grafana.source.dashboard_layout import Row, Section, linked_to, page
from grafana.source.panel_style import (
    AGE_THRESHOLDS,
    HEADROOM_THRESHOLDS,
    SATURATED_THRESHOLDS,
    line_chart,
    on_percent_axis,
    stat_panel,
    table_panel,
    with_series_names,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import dashboard

ROWS = (
    Row(
        3,
        [
            with_series_names(stat_panel(golden_signals_panels.BOTTLENECK, SATURATED_THRESHOLDS)),
            with_series_names(stat_panel(golden_signals_panels.HEADROOM, HEADROOM_THRESHOLDS)),
            stat_panel(golden_signals_panels.LAST_SCRAPE, AGE_THRESHOLDS),
            stat_panel(golden_signals_panels.TIME_SCALE),
        ],
        (9, 9, 3, 3),
    ),
    Row(
        9,
        [
            on_percent_axis(line_chart(golden_signals_panels.SATURATION)),
            table_panel(panels.LIMITS, {"resource": "resource"}),
        ],
        (14, 10),
    ),
    Section("Waiting: what fills up, from the client to the handler?"),
    Row(
        7, [line_chart(panels.BACKLOG), line_chart(panels.CONNECTIONS), line_chart(panels.WORKERS)]
    ),
    Row(
        7,
        [
            *linked_to("server", line_chart(panels.QUEUED)),
            line_chart(panels.CPU),
            *linked_to("server", line_chart(server_panels.LAG)),
        ],
    ),
    Section("Machine: headroom, memory and pressure", is_collapsed=True),
    Row(
        8,
        [
            on_percent_axis(line_chart(panels.HEADROOM)),
            line_chart(panels.MEMORY),
            on_percent_axis(line_chart(panels.PRESSURE)),
        ],
    ),
)


def build() -> dashboard.Dashboard:
    """Build the dashboard."""
    return page(
        "saturation",
        "How much of every limit is used, which one is reached first, and what is behind it.",
        ROWS,
    )
