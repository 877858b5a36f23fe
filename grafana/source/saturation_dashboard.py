"""The page about limits: how near each one is, which comes first, and what is behind the ratios."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.source import golden_signals_panels, server_panels
from grafana.source import saturation_panels as asked
from grafana.source.dashboard_layout import Row, leading_to, page
from grafana.source.panel_style import FRESH, LEFT, bars, chart, full_scale, lowest, named, number

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import dashboard

ROWS = (
    Row(
        6,
        [
            named(number(golden_signals_panels.HEADROOM, LEFT)),
            lowest(asked.LOWEST, LEFT),
            bars(asked.PEAKS),
            number(golden_signals_panels.LAST_SCRAPE, FRESH),
            number(golden_signals_panels.TIME_SCALE),
        ],
        (4, 5, 7, 4, 4),
    ),
    Row(9, [full_scale(chart(golden_signals_panels.SATURATION))]),
    Row(8, [full_scale(chart(asked.HEADROOM)), *leading_to("server", chart(asked.QUEUED))]),
    Row(8, [chart(asked.WORKERS), chart(asked.CONNECTIONS), chart(asked.BACKLOG)]),
    Row(
        8, [chart(asked.CPU), chart(asked.MEMORY), *leading_to("server", chart(server_panels.LAG))]
    ),
    Row(8, [full_scale(chart(asked.PRESSURE))]),
)


def build() -> dashboard.Dashboard:
    """The dashboard."""
    return page(
        "saturation",
        "Saturation",
        "How near every limit is, which one comes first, and what is behind it.",
        ROWS,
    )
