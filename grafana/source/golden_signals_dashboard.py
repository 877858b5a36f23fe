"""The home page: is the API healthy, is the test honest, what runs out first?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.source import golden_signals_panels
from grafana.source.dashboard_layout import Row, leading_to, page
from grafana.source.panel_style import (
    BAD_BELOW_ONE,
    FRESH,
    GREEN,
    LEFT,
    by_decades,
    by_status,
    chart,
    full_scale,
    named,
    number,
    on_the_right,
    red_above_zero,
    spread,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import dashboard

VERDICTS = [
    *leading_to(
        "alert-lab",
        number(golden_signals_panels.SLO_KEPT, BAD_BELOW_ONE, {"0": "BROKEN", "1": "KEPT"}),
    ),
    number(golden_signals_panels.TEST_VALID, BAD_BELOW_ONE, {"0": "INVALID", "1": "VALID"}),
    red_above_zero(named(number(golden_signals_panels.USERS, [(None, GREEN)])), "starved"),
    named(number(golden_signals_panels.HEADROOM, LEFT)),
    number(golden_signals_panels.LAST_SCRAPE, FRESH),
]
FACTS = [
    number(golden_signals_panels.RATE),
    number(golden_signals_panels.ERROR_SHARE),
    number(golden_signals_panels.CLIENT_P99),
    number(golden_signals_panels.SERVER_P99),
    number(golden_signals_panels.TIME_SCALE),
]

ROWS = (
    Row(3, VERDICTS, (5, 5, 5, 5, 4)),
    Row(3, FACTS, (5, 5, 5, 5, 4)),
    Row(
        6,
        [
            *leading_to("client", chart(golden_signals_panels.TRAFFIC)),
            *leading_to("server", by_decades(chart(golden_signals_panels.LATENCY))),
        ],
    ),
    Row(
        5,
        [
            *leading_to("saturation", full_scale(chart(golden_signals_panels.SATURATION))),
            *leading_to(
                "client",
                on_the_right(chart(golden_signals_panels.HONESTY), "oldest in flight (seconds)"),
            ),
        ],
    ),
    Row(
        8,
        [
            *leading_to(
                "client",
                chart(golden_signals_panels.ERRORS),
                chart(golden_signals_panels.ERROR_CLASSES),
            ),
            *leading_to("server", by_status(chart(golden_signals_panels.STATUS_CODES))),
        ],
    ),
    Row(
        8,
        [
            *leading_to("client", spread(golden_signals_panels.CLIENT_HEATMAP)),
            *leading_to("server", spread(golden_signals_panels.SERVER_HEATMAP)),
        ],
    ),
    Row(
        8,
        [
            *leading_to("server", by_decades(chart(golden_signals_panels.QUEUE))),
            *leading_to("client", full_scale(chart(golden_signals_panels.GENERATOR))),
        ],
    ),
)
"""The strip of numbers and two rows of charts are one screen."""


def build() -> dashboard.Dashboard:
    """The dashboard."""
    question = "Latency, traffic, errors and saturation of an API under load, from the client's side and the server's."
    return page("golden-signals", "Golden signals", question, ROWS)
