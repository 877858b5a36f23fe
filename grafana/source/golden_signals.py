"""The home page: is the API healthy, is the test honest, what runs out first?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.source import signals
from grafana.source.page import Row, leading_to, page
from grafana.source.style import (
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
    *leading_to("alert-lab", number(signals.SLO_KEPT, BAD_BELOW_ONE, {"0": "BROKEN", "1": "KEPT"})),
    number(signals.TEST_VALID, BAD_BELOW_ONE, {"0": "INVALID", "1": "VALID"}),
    red_above_zero(named(number(signals.USERS, [(None, GREEN)])), "starved"),
    named(number(signals.HEADROOM, LEFT)),
    number(signals.LAST_SCRAPE, FRESH),
]
FACTS = [
    number(signals.RATE),
    number(signals.ERROR_SHARE),
    number(signals.CLIENT_P99),
    number(signals.SERVER_P99),
    number(signals.TIME_SCALE),
]

ROWS = (
    Row(3, VERDICTS, (5, 5, 5, 5, 4)),
    Row(3, FACTS, (5, 5, 5, 5, 4)),
    Row(
        6,
        [
            *leading_to("client", chart(signals.TRAFFIC)),
            *leading_to("server", by_decades(chart(signals.LATENCY))),
        ],
    ),
    Row(
        5,
        [
            *leading_to("saturation", full_scale(chart(signals.SATURATION))),
            *leading_to(
                "client", on_the_right(chart(signals.HONESTY), "oldest in flight (seconds)")
            ),
        ],
    ),
    Row(
        8,
        [
            *leading_to("client", chart(signals.ERRORS), chart(signals.ERROR_CLASSES)),
            *leading_to("server", by_status(chart(signals.STATUS_CODES))),
        ],
    ),
    Row(
        8,
        [
            *leading_to("client", spread(signals.CLIENT_HEATMAP)),
            *leading_to("server", spread(signals.SERVER_HEATMAP)),
        ],
    ),
    Row(
        8,
        [
            *leading_to("server", by_decades(chart(signals.QUEUE))),
            *leading_to("client", full_scale(chart(signals.GENERATOR))),
        ],
    ),
)
"""The strip of numbers and two rows of charts are one screen."""


def build() -> dashboard.Dashboard:
    """The dashboard."""
    question = "Latency, traffic, errors and saturation of an API under load, from the client's side and the server's."
    return page("golden-signals", "Golden signals", question, ROWS)
