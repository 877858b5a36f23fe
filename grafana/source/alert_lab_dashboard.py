"""The alert lab: what each alert did, what was the cause, and how far each one is from its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import VariableHide, VariableOption, VariableRefresh

from grafana.source import alert_lab_panels as asked
from grafana.source import golden_signals_panels
from grafana.source.dashboard_layout import Row, leading_to, page
from grafana.source.panel_style import (
    BLUE,
    DATASOURCE,
    FRESH,
    GREEN,
    ORANGE,
    RED,
    chart,
    named,
    number,
    red_above_zero,
    states,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_A_ROW = 3
STATES = {
    "0": ("quiet", GREEN),
    "1": ("pending", ORANGE),
    "2": ("firing", RED),
    "3": ("broken on purpose", BLUE),
}


def _rows() -> Iterator[Row]:
    yield Row(
        3,
        [
            number(golden_signals_panels.TIME_SCALE),
            *leading_to(
                "golden-signals",
                red_above_zero(named(number(asked.ACTIVE, [(None, GREEN)])), "firing"),
            ),
            number(
                golden_signals_panels.TEST_VALID,
                [(None, RED), (1.0, GREEN)],
                {"0": "INVALID", "1": "VALID"},
            ),
            number(golden_signals_panels.LAST_SCRAPE, FRESH),
        ],
    )
    yield Row(2 + len(asked.STATES.queries) * 2 // 3, [states(asked.STATES, STATES)])
    yield Row(6, [chart(asked.LOAD_STEPS)])
    yield Row(9, leading_to("golden-signals", chart(asked.ERROR_BURN), chart(asked.LATENCY_BURN)))
    panels = [chart(signal) for signal in asked.AGAINST_LIMITS]
    for first in range(0, len(panels), IN_A_ROW):
        beside = panels[first : first + IN_A_ROW]
        yield Row(7, beside, (24 // IN_A_ROW,) * len(beside))


def _variables() -> list[dashboard.QueryVariable]:
    """Durations at the scale of the drill that is shown; nobody chooses them."""
    return [
        dashboard.QueryVariable(name)
        .datasource(DATASOURCE)
        .query(asked.looked_up(name))
        .regex(r"/ (\d+) /")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .hide(VariableHide.HIDE_VARIABLE)
        .current(VariableOption(text=str(length_ms), value=str(length_ms)))
        for name, (length_ms, _) in asked.variables().items()
    ]


def build() -> dashboard.Dashboard:
    """The dashboard. It asks so much that a machine under load has to be given time."""
    question = "What each alert did in this drill, what was the cause, and how far each one was from its limit."
    return page("alert-lab", "Alert lab", question, list(_rows()), _variables()).refresh("15s")
