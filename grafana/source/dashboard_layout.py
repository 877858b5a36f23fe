"""What every dashboard has: variables, links to the others, marks, and panels in rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    GridPos,
    VariableHide,
    VariableOption,
    VariableRefresh,
)

from grafana.source.golden_signals_panels import of_runs
from grafana.source.panel_style import DATASOURCE, GREEN, ORANGE, RED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH = 24
"""Of Grafana's grid."""
TAG = "firedrill"
FIRING = 'ALERTS{alertstate="firing", alertname!="Watchdog"}'
STEP = "5s"
"""Marks are as exact as this, and what they look back for fits it."""
FAULT, FAULT_BEFORE = (
    f"max_over_time(api_fault_active[6s]{offset}) > 0" for offset in ("", " offset 5s")
)
"""A fault seen since the step before: of a stop there is one sample only."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels beside each other."""

    height: int
    panels: Sequence[Any]
    widths: Sequence[int] = ()
    """All the same if none are given."""

    def placed(self, y: int) -> Iterator[tuple[Any, GridPos]]:
        """Each panel and its place."""
        x = 0
        for panel, width in zip(
            self.panels, self.widths or [WIDTH // len(self.panels)] * len(self.panels), strict=True
        ):
            yield panel, GridPos(h=self.height, w=width, x=x, y=y)
            x += width


def uid(name: str) -> str:
    """A dashboard's address: it stays when the title changes."""
    return f"firedrill-{name}"


def leading_to(name: str, *panels: Any) -> list[Any]:
    """Panels whose titles lead to another dashboard, at the same time and with the same choices."""
    return [panel.links([_link(name)]) for panel in panels]


def _link(name: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(f"Look closer: {name}").url(
        f"/d/{uid(name)}?${{__url_time_range}}&${{__all_variables}}"
    )


def page(
    name: str, title: str, description: str, rows: Sequence[Row], more: Sequence[Any] = ()
) -> dashboard.Dashboard:
    """A dashboard, with more variables than all have."""
    built = (
        dashboard.Dashboard(title)
        .uid(uid(name))
        .description(description)
        .tags([TAG])
        .time("now-15m", "now")
        .refresh("5s")
        .timezone("browser")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .variables([_datasource(), *_choices(), *more])
        .link(_all_others())
    )
    for mark in marks():
        built = built.annotation(mark)
    for panel in _numbered(rows):
        built = built.with_panel(panel)
    return built


def _numbered(rows: Sequence[Row]) -> Iterator[Any]:
    y, number_of = 0, count(1)
    for row in rows:
        for panel, place in row.placed(y):
            yield panel.id(next(number_of)).grid_pos(place)
        y += row.height


def _datasource() -> dashboard.DatasourceVariable:
    chosen = VariableOption(text="Prometheus", value="firedrill-prometheus")
    return (
        dashboard.DatasourceVariable("datasource")
        .label("Data source")
        .hide(VariableHide.HIDE_LABEL)
        .type("prometheus")
        .current(chosen)
    )


def _choices() -> list[dashboard.QueryVariable]:
    return [
        _choice("job", "label_values(up, job)"),
        _choice("instance", 'label_values(up{job=~"$job"}, instance)'),
        # Not .+: a Locust that was not given a run's id has an empty one.
        _choice("run", "label_values(locust_test_info, run_id)", ".*"),
    ]


def _choice(name: str, query: str, everything: str = ".+") -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(DATASOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(everything)
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _all_others() -> dashboard.DashboardLink:
    """Every dashboard with our tag, whichever there will be."""
    return (
        dashboard.DashboardLink("Firedrill")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .keep_time(True)
        .include_vars(True)
        .as_dropdown(False)
    )


def marks() -> list[dashboard.AnnotationQuery]:
    """Where a step of the load or a fault begins, and where an alert begins to fire; each point that a query returns is one mark."""
    return [
        _mark(
            "Load steps",
            of_runs("changes(locust_load_step[6s]) > 0"),
            "next step of the load",
            GREEN,
        ),
        _mark("Faults", of_runs(f"({FAULT} unless {FAULT_BEFORE})"), "fault: {{fault}}", ORANGE),
        _mark("Alerts", of_runs(f"({FIRING} unless {FIRING} offset 5s)"), "{{alertname}}", RED),
    ]


def _mark(name: str, expr: str, title: str, color: str) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .enable(True)
        .expr(expr)
        .step(STEP)
        .title_format(title)
        .icon_color(color)
    )
