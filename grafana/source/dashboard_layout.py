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
from grafana.source.panel_style import DATASOURCE, GREEN, ORANGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH = 24
"""Columns of Grafana's grid."""
TAG = "firedrill"
TITLES = {
    "golden-signals": "Golden signals",
    "client": "Client (Locust)",
    "server": "Server (API)",
    "saturation": "Saturation",
    "alert-lab": "Alert lab",
}
"""Every dashboard, in the order of the links on top of each."""
FIRING = 'ALERTS{alertstate="firing", alertname!="Watchdog"}'
STEP = "1s"
"""Resolution of annotations. Grafana takes a coarser one beyond 11,000 points, about 3 hours."""


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


@dataclass(frozen=True, slots=True)
class Section:
    """The title above the rows that follow it, up to the next title."""

    title: str
    is_collapsed: bool = False


def panels_in(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a built dashboard, those of collapsed sections included."""
    return [
        panel
        for entry in document["panels"]
        for panel in (entry["panels"] if entry["type"] == "row" else [entry])
    ]


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
    name: str, description: str, rows: Sequence[Row | Section], more: Sequence[Any] = ()
) -> dashboard.Dashboard:
    """Build a dashboard, with `more` variables of its own."""
    built = (
        dashboard.Dashboard(TITLES[name])
        .uid(uid(name))
        .description(description)
        .tags([TAG])
        .time("now-15m", "now")
        .refresh("5s")
        .timezone("browser")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .variables([_datasource(), *_run_variables(), *more])
    )
    for link in _links_to_dashboards():
        built = built.link(link)
    for annotation in annotation_queries():
        built = built.annotation(annotation)
    _add_rows(built, rows)
    return built


def _add_rows(built: dashboard.Dashboard, rows: Sequence[Row | Section]) -> None:
    """Add panels from the top down; those of a collapsed section lie inside its title."""
    y, number_of = 0, count(1)
    title: dashboard.Row | None = None
    for row in rows:
        if isinstance(row, Section):
            place = GridPos(h=1, w=WIDTH, x=0, y=y)
            heading = dashboard.Row(row.title).id(next(number_of)).grid_pos(place)
            built.with_row(heading)
            title = heading if row.is_collapsed else None
            y += 1
            continue
        for panel, place in row.with_positions(y):
            placed = panel.id(next(number_of)).grid_pos(place)
            if title is None:
                built.with_panel(placed)
            else:
                title.with_panel(placed)
        if title is None:  # What is collapsed takes no room.
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


def percentile_variable() -> dashboard.CustomVariable:
    """Return the choice of a percentile, for panels that show one."""
    shown = {"p50": "0.5", "p90": "0.9", "p95": "0.95", "p99": "0.99", "p99.9": "0.999"}
    return (
        dashboard.CustomVariable("quantile")
        .label("Percentile")
        .values(", ".join(f"{text} : {value}" for text, value in shown.items()))
        .current(VariableOption(selected=True, text="p99", value="0.99"))
    )


def _links_to_dashboards() -> list[dashboard.DashboardLink]:
    """Return a link to each dashboard, in the same order on every page."""
    return [
        dashboard.DashboardLink(title)
        .type(DashboardLinkType.LINK)
        .icon("dashboard")
        .url(f"/d/{uid(name)}")
        .keep_time(True)
        .include_vars(True)
        for name, title in TITLES.items()
    ]


def annotation_queries() -> list[dashboard.AnnotationQuery]:
    """Return annotations where a load step or fault begins and where an alert begins to fire.

    Each point that a query returns is one annotation.
    """
    return [
        _annotation(
            "Load steps",
            in_selected_runs("(locust_load_step != locust_load_step offset 1s)"),
            "load step {{run}}",
            GREEN,
        ),
        _annotation(
            "Faults",
            in_selected_runs("(api_fault_active > 0 unless api_fault_active offset 1s > 0)"),
            "fault: {{fault}} {{run}}",
            ORANGE,
        ),
        _annotation(
            "Alerts",
            in_selected_runs(f"({FIRING} unless {FIRING} offset 1s)"),
            "{{alertname}} {{run}}",
            ORANGE,
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
