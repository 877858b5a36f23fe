"""Home dashboard 'Golden signals': API health, measurement quality and saturation on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.source import client_panels
from grafana.source import golden_signals_panels as panels
from grafana.source.dashboard_layout import Row, Section, linked_to, page
from grafana.source.panel_style import (
    AGE_THRESHOLDS,
    BOOLEAN_THRESHOLDS,
    GREEN,
    HEADROOM_THRESHOLDS,
    SATURATED_THRESHOLDS,
    colored_by_status,
    curve,
    heatmap_panel,
    line_chart,
    on_logarithmic_axis,
    on_percent_axis,
    on_right_axis,
    red_above_zero,
    stat_panel,
    table_panel,
    with_series_names,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import dashboard

VERDICTS = [
    *linked_to(
        "alert-lab",
        stat_panel(panels.SLO_KEPT, BOOLEAN_THRESHOLDS, {"0": "BROKEN", "1": "KEPT"}),
    ),
    *linked_to(
        "client",
        stat_panel(panels.TEST_VALID, BOOLEAN_THRESHOLDS, {"0": "INVALID", "1": "VALID"}),
        red_above_zero(stat_panel(panels.USERS, [(None, GREEN)]), "starved at most|starved now"),
    ),
    *linked_to(
        "saturation",
        with_series_names(stat_panel(panels.BOTTLENECK, SATURATED_THRESHOLDS)),
        with_series_names(stat_panel(panels.HEADROOM, HEADROOM_THRESHOLDS)),
    ),
]
FACTS = [
    *linked_to("client", stat_panel(panels.RATE), stat_panel(panels.ERROR_SHARE)),
    *linked_to("client", stat_panel(panels.CLIENT_P99)),
    *linked_to("server", stat_panel(panels.SERVER_P99)),
]

ROWS = (
    Row(3, VERDICTS, (4, 4, 6, 5, 5)),
    Row(3, FACTS, (6, 6, 7, 5)),
    Row(
        5,
        [
            *linked_to("client", line_chart(panels.TRAFFIC)),
            *linked_to("server", on_logarithmic_axis(line_chart(panels.LATENCY))),
        ],
    ),
    Row(
        5,
        [
            *linked_to("saturation", on_percent_axis(line_chart(panels.SATURATION))),
            *linked_to(
                "client",
                on_right_axis(
                    line_chart(panels.MEASUREMENT_QUALITY), "oldest in flight (seconds)", "s"
                ),
            ),
        ],
    ),
    Section("Errors: what fails, and on which side?"),
    Row(
        8,
        [
            *linked_to("client", line_chart(panels.ERRORS), line_chart(panels.ERROR_CLASSES)),
            *linked_to("server", colored_by_status(line_chart(panels.STATUS_CODES))),
        ],
    ),
    Section("Waiting: where does the time go?"),
    Row(
        8,
        [
            *linked_to("server", on_logarithmic_axis(line_chart(panels.QUEUE))),
            *linked_to("client", on_percent_axis(line_chart(panels.GENERATOR))),
            stat_panel(panels.LAST_SCRAPE, AGE_THRESHOLDS),
            stat_panel(panels.TIME_SCALE),
        ],
        (9, 9, 3, 3),
    ),
    Section("Capacity: how much is answered in time?", is_collapsed=True),
    Row(
        8,
        [
            *linked_to("client", line_chart(panels.GOODPUT)),
            *linked_to("client", curve(panels.CAPACITY_CURVE)),
        ],
    ),
    Section("Runs: totals and peaks", is_collapsed=True),
    Row(8, linked_to("client", table_panel(panels.RUNS, {}))),
    Section("Errors by request", is_collapsed=True),
    Row(
        8,
        linked_to(
            "client",
            table_panel(
                client_panels.ERRORS_BY_REQUEST,
                {"method": "method", "name": "name", "error": "error"},
            ),
        ),
    ),
    Section("Distribution of response times", is_collapsed=True),
    Row(
        8,
        [
            *linked_to("client", heatmap_panel(panels.CLIENT_HEATMAP)),
            *linked_to("server", heatmap_panel(panels.SERVER_HEATMAP)),
        ],
    ),
)
"""The tiles and the first two rows of charts fill one screen."""


def build() -> dashboard.Dashboard:
    """Build the dashboard."""
    description = (
        "Latency, traffic, errors and saturation of an API under load, at client and server."
    )
    return page("golden-signals", description, ROWS)
