"""Parts that all dashboards share: common variables, links, annotations, panels in rows."""

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

from grafana.source.golden_signals_panels import in_selected_runs
from grafana.source.panel_style import DATASOURCE, GREEN, ORANGE, RED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH = 24
"""Columns of Grafana's grid."""
TAG = "firedrill"
FIRING = 'ALERTS{alertstate="firing", alertname!="Watchdog"}'
STEP = "5s"
"""Resolution of annotations; their look-back fits it."""
FAULT, FAULT_BEFORE = (
    f"max_over_time(api_fault_active[6s]{offset}) > 0" for offset in ("", " offset 5s")
)
"""A fault that was seen since the previous step: the fault `stop` has only one sample."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of panels."""

    height: int
    panels: Sequence[Any]
    widths: Sequence[int] = ()
    """Widths in columns; equal if none are given."""

    def with_positions(self, y: int) -> Iterator[tuple[Any, GridPos]]:
        """Yield each panel and its position."""
        x = 0
        for panel, width in zip(
            self.panels, self.widths or [WIDTH // len(self.panels)] * len(self.panels), strict=True
        ):
            yield panel, GridPos(h=self.height, w=width, x=x, y=y)
            x += width


def uid(name: str) -> str:
    """Return a dashboard's uid, which stays the same when the title changes."""
    return f"firedrill-{name}"


def linked_to(name: str, *panels: Any) -> list[Any]:
    """Link panels to another dashboard, with the same time range and variables."""
    return [panel.links([_link(name)]) for panel in panels]


def _link(name: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(f"Look closer: {name}").url(
        f"/d/{uid(name)}?${{__url_time_range}}&${{__all_variables}}"
    )


def page(
    name: str, title: str, description: str, rows: Sequence[Row], more: Sequence[Any] = ()
) -> dashboard.Dashboard:
    """Build a dashboard, with `more` variables of its own."""
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
        .variables([_datasource(), *_run_variables(), *more])
        .link(_links_to_other_dashboards())
    )
    for annotation in annotation_queries():
        built = built.annotation(annotation)
    for panel in _numbered_panels(rows):
        built = built.with_panel(panel)
    return built


def _numbered_panels(rows: Sequence[Row]) -> Iterator[Any]:
    y, number_of = 0, count(1)
    for row in rows:
        for panel, place in row.with_positions(y):
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


def _run_variables() -> list[dashboard.QueryVariable]:
    return [
        _label_variable("job", "label_values(up, job)"),
        _label_variable("instance", 'label_values(up{job=~"$job"}, instance)'),
        # Not .+, because a Locust that was started without a run id has an empty one.
        _label_variable("run", "label_values(locust_test_info, run_id)", ".*"),
    ]


def _label_variable(name: str, query: str, everything: str = ".+") -> dashboard.QueryVariable:
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


def _links_to_other_dashboards() -> dashboard.DashboardLink:
    """Return links to every dashboard with our tag."""
    return (
        dashboard.DashboardLink("Firedrill")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .keep_time(True)
        .include_vars(True)
        .as_dropdown(False)
    )


def annotation_queries() -> list[dashboard.AnnotationQuery]:
    """Return annotations where a load step or fault begins and where an alert begins to fire.

    Each point that a query returns is one annotation.
    """
    return [
        _annotation(
            "Load steps",
            in_selected_runs("changes(locust_load_step[6s]) > 0"),
            "load step",
            GREEN,
        ),
        _annotation(
            "Faults",
            in_selected_runs(f"({FAULT} unless {FAULT_BEFORE})"),
            "fault: {{fault}}",
            ORANGE,
        ),
        _annotation(
            "Alerts",
            in_selected_runs(f"({FIRING} unless {FIRING} offset 5s)"),
            "{{alertname}}",
            RED,
        ),
    ]


def _annotation(name: str, expr: str, title: str, color: str) -> dashboard.AnnotationQuery:
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
