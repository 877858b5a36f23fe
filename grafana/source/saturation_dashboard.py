"""Dashboard 'Saturation': use of every limit, and what is behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.source import golden_signals_panels, server_panels
from grafana.source import saturation_panels as panels
from grafana.source.dashboard_layout import Row, linked_to, page
from grafana.source.panel_style import (
    AGE_THRESHOLDS,
    HEADROOM_THRESHOLDS,
    bar_gauge,
    line_chart,
    minimum_panel,
    on_percent_axis,
    stat_panel,
    with_series_names,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import dashboard

ROWS = (
    Row(
        6,
        [
            with_series_names(stat_panel(golden_signals_panels.HEADROOM, HEADROOM_THRESHOLDS)),
            minimum_panel(panels.LOWEST, HEADROOM_THRESHOLDS),
            bar_gauge(panels.PEAKS),
            stat_panel(golden_signals_panels.LAST_SCRAPE, AGE_THRESHOLDS),
            stat_panel(golden_signals_panels.TIME_SCALE),
        ],
        (4, 5, 7, 4, 4),
    ),
    Row(9, [on_percent_axis(line_chart(golden_signals_panels.SATURATION))]),
    Row(
        8,
        [
            on_percent_axis(line_chart(panels.HEADROOM)),
            *linked_to("server", line_chart(panels.QUEUED)),
        ],
    ),
    Row(
        8, [line_chart(panels.WORKERS), line_chart(panels.CONNECTIONS), line_chart(panels.BACKLOG)]
    ),
    Row(
        8,
        [
            line_chart(panels.CPU),
            line_chart(panels.MEMORY),
            *linked_to("server", line_chart(server_panels.LAG)),
        ],
    ),
    Row(8, [on_percent_axis(line_chart(panels.PRESSURE))]),
)


def build() -> dashboard.Dashboard:
    """Build the dashboard."""
    return page(
        "saturation",
        "Saturation",
        "How much of every limit is used, which one is reached first, and what is behind it.",
        ROWS,
    )
