"""The home page: is the API healthy, is the test honest, what runs out first?"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DynamicConfigValue,
    GridPos,
    VariableOption,
    VariableRefresh,
)

from grafana.source import signals
from grafana.source.style import (
    DATASOURCE,
    GREEN,
    ORANGE,
    RED,
    by_status,
    chart,
    full_scale,
    named,
    number,
    on_the_right,
    spread,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

UID = "firedrill-golden-signals"
ALWAYS_GOOD = [(None, GREEN)]
FAULT, FAULT_BEFORE = (f"max_over_time(api_fault_active[16s]{offset}) > 0" for offset in ("", " offset 15s"))
"""A fault of the last 16 s: a shorter one may lie between two marks, and of a stop only the first second is seen."""
BAD_BELOW_ONE = [(None, RED), (1.0, GREEN)]
"""Of a yes that is 1."""


def strip() -> list[Any]:
    """Eight numbers that answer in a glance."""
    return [
        number(signals.SLO_KEPT, BAD_BELOW_ONE, {"0": "BROKEN", "1": "KEPT"}),
        number(signals.TEST_VALID, BAD_BELOW_ONE, {"0": "INVALID", "1": "VALID"}),
        named(number(signals.USERS, ALWAYS_GOOD)).override_by_name("starved", _red_above_zero()),
        number(signals.RATE, ALWAYS_GOOD),
        number(signals.ERROR_SHARE, [(None, GREEN), (0.001, ORANGE), (0.01, RED)]),
        number(signals.CLIENT_P99, ALWAYS_GOOD),
        number(signals.SERVER_P99, ALWAYS_GOOD),
        named(number(signals.HEADROOM, [(None, RED), (0.1, ORANGE), (0.3, GREEN)])),
    ]


def _red_above_zero() -> list[DynamicConfigValue]:
    steps = [{"value": None, "color": GREEN}, {"value": 1, "color": RED}]
    return [DynamicConfigValue("thresholds", {"mode": "absolute", "steps": steps})]


ROWS = (
    (4, 3, strip()),
    (8, 12, [chart(signals.TRAFFIC), chart(signals.LATENCY)]),
    (8, 12, [full_scale(chart(signals.SATURATION)), on_the_right(chart(signals.HONESTY), "oldest in flight (seconds)")]),
    (8, 8, [chart(signals.ERRORS), chart(signals.ERROR_CLASSES), by_status(chart(signals.STATUS_CODES))]),
    (8, 12, [spread(signals.CLIENT_HEATMAP), spread(signals.SERVER_HEATMAP)]),
    (8, 12, [chart(signals.QUEUE), full_scale(chart(signals.GENERATOR))]),
)
"""Height of a row, width of its panels in a grid of 24, and the panels. The first three are one screen."""


def build() -> dashboard.Dashboard:
    """The dashboard."""
    page = (
        dashboard.Dashboard("Golden signals")
        .uid(UID)
        .description("Latency, traffic, errors and saturation of an API under load, from the client's side and the server's.")
        .tags(["firedrill"])
        .time("now-15m", "now")
        .refresh("5s")
        .timezone("browser")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .variables(
            [_datasource(), variable("job", "label_values(up, job)"), variable("instance", 'label_values(up{job=~"$job"}, instance)')]
        )
    )
    for mark in marks():
        page = page.annotation(mark)
    for panel in placed():
        page = page.with_panel(panel)
    return page


def placed() -> Iterator[Any]:
    """The panels, numbered from 1 and laid out row by row."""
    y, number_of = 0, count(1)
    for height, width, panels in ROWS:
        for at, panel in enumerate(panels):
            yield panel.id(next(number_of)).grid_pos(GridPos(h=height, w=width, x=at * width, y=y))
        y += height


def _datasource() -> dashboard.DatasourceVariable:
    chosen = VariableOption(text="Prometheus", value="firedrill-prometheus")
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus").current(chosen)


def variable(name: str, query: str) -> dashboard.QueryVariable:
    """A choice among the values of a label; several, or all."""
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(DATASOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def marks() -> list[dashboard.AnnotationQuery]:
    """Where a step of the load or a fault begins, and where an alert begins to fire; each point that a query returns is one mark."""
    firing = 'ALERTS{alertstate="firing", alertname!="Watchdog"}'
    return [
        _mark("Load steps", "changes(locust_load_step[16s]) > 0", "next step of the load", GREEN),
        _mark("Faults", f"{FAULT} unless {FAULT_BEFORE}", "fault: {{fault}}", ORANGE),
        _mark("Alerts", f"{firing} unless {firing} offset 15s", "{{alertname}}", RED),
    ]


def _mark(name: str, expr: str, title: str, color: str) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .enable(True)
        .expr(expr)
        .step("15s")
        .title_format(title)
        .icon_color(color)
    )
