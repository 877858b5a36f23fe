"""Dashboard 'Alert lab': what each alert did, its cause, and how far it is from its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import VariableHide, VariableOption, VariableRefresh

from grafana.source import alert_lab_panels as panels
from grafana.source import golden_signals_panels
from grafana.source.dashboard_layout import WIDTH, Row, Section, linked_to, page
from grafana.source.panel_style import (
    AGE_THRESHOLDS,
    BLUE,
    DATASOURCE,
    GREEN,
    ORANGE,
    RED,
    line_chart,
    on_logarithmic_axis,
    on_right_axis,
    red_above_zero,
    stat_panel,
    state_timeline,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PANELS_PER_ROW = 3
STATES = {
    "0": ("quiet", GREEN),
    "1": ("pending", ORANGE),
    "2": ("firing", RED),
    "3": ("fault injected", BLUE),
}


def _rows() -> Iterator[Row | Section]:
    yield Row(
        3,
        [
            stat_panel(golden_signals_panels.TIME_SCALE),
            *linked_to(
                "golden-signals",
                red_above_zero(stat_panel(panels.ACTIVE, [(None, GREEN)]), "firing"),
            ),
            stat_panel(
                golden_signals_panels.TEST_VALID,
                [(None, RED), (1.0, GREEN)],
                {"0": "INVALID", "1": "VALID"},
            ),
            stat_panel(golden_signals_panels.LAST_SCRAPE, AGE_THRESHOLDS),
        ],
    )
    yield Row(9, [state_timeline(panels.ACTIVE_STATES, STATES)])
    yield Row(6, [on_right_axis(line_chart(panels.LOAD_STEPS), "step", "none")])
    yield Section("Error budgets: how fast are they used up?")
    yield Row(
        8,
        [
            *linked_to("golden-signals", on_logarithmic_axis(line_chart(panels.ERROR_BURN))),
            *linked_to("golden-signals", on_logarithmic_axis(line_chart(panels.LATENCY_BURN))),
        ],
    )
    yield Section("All alerts, in the order of the rule files", is_collapsed=True)
    yield Row(2 + len(panels.STATES.queries) * 2 // 3, [state_timeline(panels.STATES, STATES)])
    yield Section("Each alert against its limit", is_collapsed=True)
    charts = [line_chart(content) for content in panels.AGAINST_LIMITS]
    for first in range(0, len(charts), PANELS_PER_ROW):
        row = charts[first : first + PANELS_PER_ROW]
        yield Row(7, row, (WIDTH // PANELS_PER_ROW,) * len(row))


def _variables() -> list[dashboard.QueryVariable]:
    """Return hidden variables: the durations of the rules at the time scale of the shown drill."""
    return [
        dashboard.QueryVariable(name)
        .datasource(DATASOURCE)
        .query(panels.variable_query(name))
        .regex(r"/ (\d+) /")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .hide(VariableHide.HIDE_VARIABLE)
        .current(VariableOption(text=str(length_ms), value=str(length_ms)))
        for name, (length_ms, _) in panels.variables().items()
    ]


def build() -> dashboard.Dashboard:
    """Build the dashboard, with a slow refresh because it has many queries."""
    description = "What each alert did in this drill, its cause, and how far it was from its limit."
    return page("alert-lab", description, list(_rows()), _variables()).refresh("15s")
