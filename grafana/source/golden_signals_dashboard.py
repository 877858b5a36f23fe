"""Home dashboard 'Golden signals': API health, measurement quality and saturation on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.source import golden_signals_panels
from grafana.source.dashboard_layout import Row, linked_to, page
from grafana.source.panel_style import (
    AGE_THRESHOLDS,
    BOOLEAN_THRESHOLDS,
    GREEN,
    HEADROOM_THRESHOLDS,
    heatmap_panel,
    line_chart,
    on_logarithmic_axis,
    on_percent_axis,
    red_above_zero,
    stacked_by_status,
    stat_panel,
    with_seconds_on_right_axis,
    with_series_names,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import dashboard

VERDICTS = [
    *linked_to(
        "alert-lab",
        stat_panel(
            golden_signals_panels.SLO_KEPT, BOOLEAN_THRESHOLDS, {"0": "BROKEN", "1": "KEPT"}
        ),
    ),
    stat_panel(
        golden_signals_panels.TEST_VALID, BOOLEAN_THRESHOLDS, {"0": "INVALID", "1": "VALID"}
    ),
    red_above_zero(
        with_series_names(stat_panel(golden_signals_panels.USERS, [(None, GREEN)])), "starved"
    ),
    with_series_names(stat_panel(golden_signals_panels.HEADROOM, HEADROOM_THRESHOLDS)),
    stat_panel(golden_signals_panels.LAST_SCRAPE, AGE_THRESHOLDS),
]
FACTS = [
    stat_panel(golden_signals_panels.RATE),
    stat_panel(golden_signals_panels.ERROR_SHARE),
    stat_panel(golden_signals_panels.CLIENT_P99),
    stat_panel(golden_signals_panels.SERVER_P99),
    stat_panel(golden_signals_panels.TIME_SCALE),
]

ROWS = (
    Row(3, VERDICTS, (5, 5, 5, 5, 4)),
    Row(3, FACTS, (5, 5, 5, 5, 4)),
    Row(
        6,
        [
            *linked_to("client", line_chart(golden_signals_panels.TRAFFIC)),
            *linked_to("server", on_logarithmic_axis(line_chart(golden_signals_panels.LATENCY))),
        ],
    ),
    Row(
        5,
        [
            *linked_to("saturation", on_percent_axis(line_chart(golden_signals_panels.SATURATION))),
            *linked_to(
                "client",
                with_seconds_on_right_axis(
                    line_chart(golden_signals_panels.MEASUREMENT_QUALITY),
                    "oldest in flight (seconds)",
                ),
            ),
        ],
    ),
    Row(
        8,
        [
            *linked_to(
                "client",
                line_chart(golden_signals_panels.ERRORS),
                line_chart(golden_signals_panels.ERROR_CLASSES),
            ),
            *linked_to("server", stacked_by_status(line_chart(golden_signals_panels.STATUS_CODES))),
        ],
    ),
    Row(
        8,
        [
            *linked_to("client", heatmap_panel(golden_signals_panels.CLIENT_HEATMAP)),
            *linked_to("server", heatmap_panel(golden_signals_panels.SERVER_HEATMAP)),
        ],
    ),
    Row(
        8,
        [
            *linked_to("server", on_logarithmic_axis(line_chart(golden_signals_panels.QUEUE))),
            *linked_to("client", on_percent_axis(line_chart(golden_signals_panels.GENERATOR))),
        ],
    ),
)
"""The stat panels and the first two rows of charts fill one screen."""


def build() -> dashboard.Dashboard:
    """Build the dashboard."""
    description = (
        "Latency, traffic, errors and saturation of an API under load, at client and server."
    )
    return page("golden-signals", "Golden signals", description, ROWS)
