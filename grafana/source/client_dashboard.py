"""Dashboard 'Client (Locust)': what Locust measured, and whether it could measure it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.source import client_panels as panels
from grafana.source import golden_signals_panels
from grafana.source.dashboard_layout import Row, Section, page, percentile_variable
from grafana.source.panel_style import (
    AGE_THRESHOLDS,
    BOOLEAN_THRESHOLDS,
    GREEN,
    RED,
    USE_THRESHOLDS,
    heatmap_panel,
    line_chart,
    on_logarithmic_axis,
    on_percent_axis,
    red_above_zero,
    stat_panel,
    state_timeline,
    table_panel,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import dashboard

STRIP = [
    stat_panel(
        golden_signals_panels.TEST_VALID, BOOLEAN_THRESHOLDS, {"0": "INVALID", "1": "VALID"}
    ),
    red_above_zero(
        stat_panel(golden_signals_panels.USERS, [(None, GREEN)]), "starved at most|starved now"
    ),
    stat_panel(golden_signals_panels.RATE),
    stat_panel(golden_signals_panels.ERROR_SHARE),
    stat_panel(golden_signals_panels.CLIENT_P99),
    stat_panel(panels.OLDEST),
    stat_panel(panels.GENERATOR_CPU, USE_THRESHOLDS),
    stat_panel(golden_signals_panels.LAST_SCRAPE, AGE_THRESHOLDS),
    stat_panel(golden_signals_panels.TIME_SCALE),
]

ROWS = (
    Row(3, STRIP[:4], (5, 6, 7, 6)),
    Row(3, STRIP[4:], (6, 5, 5, 4, 4)),
    Row(7, [line_chart(panels.USERS), line_chart(panels.WAITING)]),
    Row(7, [line_chart(panels.RATE_BY_NAME), on_logarithmic_axis(line_chart(panels.PERCENTILES))]),
    Section("Requests: which one is slow or fails?"),
    Row(6, [table_panel(panels.REQUESTS, {"method": "method", "name": "name"})]),
    Row(
        7,
        [
            on_logarithmic_axis(line_chart(panels.P99_BY_NAME)),
            line_chart(panels.FAILURES_BY_NAME),
            line_chart(golden_signals_panels.ERROR_CLASSES),
        ],
    ),
    Section("Errors by request", is_collapsed=True),
    Row(
        7,
        [
            table_panel(
                panels.ERRORS_BY_REQUEST, {"method": "method", "name": "name", "error": "error"}
            ),
            line_chart(panels.GIVEN_UP),
        ],
        (14, 10),
    ),
    Section("Load generator: could it measure?", is_collapsed=True),
    Row(
        8,
        [
            state_timeline(panels.INVALID, {"0": ("holds", GREEN), "1": ("BROKEN", RED)}),
            on_percent_axis(line_chart(panels.GENERATOR_BY_PROCESS)),
            line_chart(panels.LATENESS),
        ],
    ),
    Row(7, [line_chart(panels.BY_WORKER), line_chart(panels.MEMORY)]),
    Section("Open workload: did every arrival start?", is_collapsed=True),
    Row(
        8,
        [
            line_chart(golden_signals_panels.ARRIVALS),
            on_logarithmic_axis(line_chart(golden_signals_panels.FROM_SCHEDULE)),
            line_chart(panels.SLOTS),
        ],
    ),
    Section("Distribution of response times", is_collapsed=True),
    Row(
        8,
        [
            heatmap_panel(golden_signals_panels.CLIENT_HEATMAP),
            on_logarithmic_axis(line_chart(panels.CHOSEN_PERCENTILE)),
        ],
    ),
)


def build() -> dashboard.Dashboard:
    """Build the dashboard."""
    return page(
        "client",
        "Requests that Locust sent, their answers, and whether Locust could measure them.",
        ROWS,
        [percentile_variable()],
    )
