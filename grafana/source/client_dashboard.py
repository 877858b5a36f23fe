"""The client's page: is what Locust measured complete, and was Locust able to measure it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.source import client_panels as asked
from grafana.source import golden_signals_panels
from grafana.source.dashboard_layout import Row, page
from grafana.source.panel_style import (
    BAD_BELOW_ONE,
    FRESH,
    GREEN,
    LIMITS,
    RED,
    by_decades,
    chart,
    full_scale,
    named,
    number,
    red_above_zero,
    rows,
    spread,
    states,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import dashboard

STRIP = [
    number(golden_signals_panels.TEST_VALID, BAD_BELOW_ONE, {"0": "INVALID", "1": "VALID"}),
    red_above_zero(named(number(golden_signals_panels.USERS, [(None, GREEN)])), "starved"),
    number(golden_signals_panels.RATE),
    number(golden_signals_panels.ERROR_SHARE),
    number(golden_signals_panels.CLIENT_P99),
    number(asked.OLDEST),
    number(asked.GENERATOR_CPU, LIMITS),
    number(golden_signals_panels.LAST_SCRAPE, FRESH),
    number(golden_signals_panels.TIME_SCALE),
]

ROWS = (
    Row(3, STRIP[:4]),
    Row(3, STRIP[4:], (5, 5, 5, 5, 4)),
    Row(8, [chart(asked.USERS), chart(asked.RATE_BY_NAME)]),
    Row(8, [by_decades(chart(asked.PERCENTILES)), chart(asked.WAITING)]),
    Row(
        8,
        [
            by_decades(chart(asked.P99_BY_NAME)),
            chart(asked.FAILURES_BY_NAME),
            chart(golden_signals_panels.ERROR_CLASSES),
        ],
    ),
    Row(7, [rows(asked.REQUESTS, {"method": "method", "name": "name"})]),
    Row(
        8,
        [
            spread(golden_signals_panels.CLIENT_HEATMAP),
            states(asked.INVALID, {"0": ("holds", GREEN), "1": ("BROKEN", RED)}),
        ],
    ),
    Row(
        8,
        [
            full_scale(chart(asked.GENERATOR_BY_PROCESS)),
            chart(asked.LATENESS),
            chart(asked.GIVEN_UP),
        ],
    ),
    Row(7, [chart(asked.BY_WORKER), chart(asked.MEMORY)]),
    Row(
        8,
        [
            chart(golden_signals_panels.ARRIVALS),
            by_decades(chart(golden_signals_panels.FROM_SCHEDULE)),
            chart(asked.SLOTS),
        ],
    ),
)


def build() -> dashboard.Dashboard:
    """The dashboard."""
    return page(
        "client",
        "Client (Locust)",
        "What Locust asked for, what it got, and whether it could measure it.",
        ROWS,
    )
