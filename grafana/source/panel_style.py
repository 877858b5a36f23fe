"""Look of the panels: a function for each type of panel, with colours, axes and legends."""

from __future__ import annotations

import re
from itertools import count, product
from string import ascii_uppercase
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
    xychart,
)
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    DataSourceRef,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    ScaleDistribution,
    SortOrder,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    DataTransformerConfig,
    DynamicConfigValue,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.xychart import SeriesMapping, XYShowMode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Thresholds = Sequence[tuple[float | None, str]]
    """(value from which it applies, colour); None is the smallest value."""

    from grafana.source.golden_signals_panels import PanelContent, Query

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, ORANGE, RED, BLUE, GREY = "#7EB26D", "#EF843C", "#E24D42", "#6ED0E0", "#8E8E8E"
STATUS_COLORS = {"2..": GREEN, "3..": BLUE, "4..": ORANGE, "5..": RED}
SIDE_COLORS = {
    "client p99, waiting included": "#B563C9",
    "client p99": "#4C86E0",
    "client p50": "#9DBDF0",
    "client": "#4C86E0",
    "server p99": "#1FA294",
    "server": "#1FA294",
}
"""A hue for each side, as in the report: blue for the client, violet with its waiting requests, and
teal for the server. Red is for the SLO and trouble alone.
"""
RESOURCE_COLORS = {
    "cpu": "#B15928",
    "workers": "#7B4FA3",
    "connections": "#1B9E77",
    "backlog": "#666666",
    "memory": "#A6A13A",
    "file_descriptors": "#C0A080",
}

MINIMUM_AXIS_END = {"percentunit": 0.05, "cps": 1.0, "reqps": 1.0}
"""Smallest end of an axis by unit; without it Grafana draws zeros on an axis up to 10000 %."""
NO_THRESHOLDS: Thresholds = [(None, "text")]
"""For a number that is neither good nor bad in itself."""
BOOLEAN_THRESHOLDS: Thresholds = [(None, RED), (1.0, GREEN)]
"""For a boolean, where 1 is good."""
HEADROOM_THRESHOLDS: Thresholds = [(None, RED), (0.1, ORANGE), (0.3, GREEN)]
"""For the headroom to a limit."""
SATURATED_THRESHOLDS: Thresholds = [(None, GREEN), (1, ORANGE), (5, RED)]
"""For the seconds during which a resource was the bottleneck."""
AGE_THRESHOLDS: Thresholds = [(None, GREEN), (5, ORANGE), (15, RED)]
"""For the age of a scrape in seconds, with a scrape every second."""
USE_THRESHOLDS: Thresholds = [(None, GREEN), (0.7, ORANGE), (0.9, RED)]
"""For the used share of a limit: from 0.9 on the verdict calls a resource saturated."""


def _targets(
    content: PanelContent, form: PromQueryFormat = PromQueryFormat.TIME_SERIES
) -> list[prometheus.Dataquery]:
    return [
        _target(query, name).format(form)
        for name, query in zip(_names(), content.queries, strict=False)
    ]


def _names() -> Iterator[str]:
    """Yield A to Z, AA and so on, as Grafana names the queries of a panel."""
    for length in count(1):
        yield from map("".join, product(ascii_uppercase, repeat=length))


def _target(query: Query, name: str) -> prometheus.Dataquery:
    # Each line of overlaid runs names its run.
    target = (
        prometheus.Dataquery()
        .datasource(DATASOURCE)
        .ref_id(name)
        .expr(query.expr)
        .legend_format(f"{query.legend} {{{{run}}}}")
    )
    target = target.exemplar(True) if query.exemplars else target
    return target.instant() if query.is_instant else target.range()


def line_chart(content: PanelContent) -> timeseries.Panel:
    """Draw lines over time, on an axis that begins at 0."""
    panel = (
        timeseries.Panel()
        .title(content.title)
        .description(content.description)
        .datasource(DATASOURCE)
        .targets(list(_targets(content)))
        .unit(content.unit)
        .min(0)
        .draw_style(GraphDrawStyle.LINE)
        .line_width(2)
        .fill_opacity(10)
        .line_interpolation(LineInterpolation.LINEAR)
        .show_points(VisibilityMode.NEVER)
        .tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        )
        .legend(_legend())
    )
    for name, color in {**SIDE_COLORS, **RESOURCE_COLORS, "starved": ORANGE}.items():
        if any(query.legend in {name, "{{resource}}"} for query in content.queries):
            panel = panel.override_by_regexp(legend_pattern(re.escape(name)), _fixed(color))
    panel = panel.override_by_regexp(legend_pattern("SLO"), _dashed(RED)).override_by_regexp(
        legend_pattern("limit.*|quota|offered|target"), _dashed(GREY)
    )
    if content.unit in MINIMUM_AXIS_END:
        panel = panel.axis_soft_max(MINIMUM_AXIS_END[content.unit])
    return panel.no_value(content.empty_text) if content.empty_text else panel


def legend_pattern(names: str) -> str:
    """Return a pattern for series with these legends, of any run."""
    return f"/^({names})( [^ ,]*)?$/"


def _fixed(color: str) -> list[DynamicConfigValue]:
    return [DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})]


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
    )


def _dashed(color: str) -> list[DynamicConfigValue]:
    return [
        *_fixed(color),
        DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
        DynamicConfigValue("custom.fillOpacity", 0),
    ]


def on_percent_axis(panel: timeseries.Panel) -> timeseries.Panel:
    """Draw on an axis from 0 to 100 %, extended where a value is larger.

    Only a soft maximum is set, because Grafana ignores a hard one beside it.
    """
    return panel.axis_soft_max(1)


def on_logarithmic_axis(panel: timeseries.Panel) -> timeseries.Panel:
    """Draw on a logarithmic axis, so that milliseconds stay readable below minutes.

    Nothing is filled: an area on a logarithmic axis measures nothing.
    """
    return (
        panel.scale_distribution(
            common.ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10)
        )
        .min(0.001)
        .fill_opacity(0)
    )


def on_right_axis(panel: timeseries.Panel, name: str, unit: str) -> timeseries.Panel:
    """Draw a series with a unit of its own on an axis of its own."""
    on_it = [DynamicConfigValue("custom.axisPlacement", "right"), DynamicConfigValue("unit", unit)]
    return panel.override_by_regexp(legend_pattern(re.escape(name)), on_it)


def colored_by_status(panel: timeseries.Panel) -> timeseries.Panel:
    """Draw each class of status codes in its colour.

    Nothing is stacked: a stack of two runs shows a rate that neither had.
    """
    for pattern, color in STATUS_COLORS.items():
        panel = panel.override_by_regexp(legend_pattern(pattern), _fixed(color))
    return panel


def stat_panel(
    content: PanelContent, steps: Thresholds = NO_THRESHOLDS, words: Mapping[str, str] | None = None
) -> stat.Panel:
    """Show current values with their names, coloured by thresholds.

    `words` replace values. What nobody measured is grey and says why. The query is instant: the
    last value of a range would stay after its source has ended.
    """
    is_plain = steps is NO_THRESHOLDS
    options = {
        value: ValueMappingResult(text=text, index=at)
        for at, (value, text) in enumerate((words or {}).items())
    }
    panel = (
        stat.Panel()
        .title(content.title)
        .description(content.description)
        .datasource(DATASOURCE)
        .targets([target.instant() for target in _targets(content)])
        .unit(content.unit)
        .no_value(content.empty_text)
        .color_mode(BigValueColorMode.VALUE if is_plain else BigValueColorMode.BACKGROUND)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(_reduced_to("lastNotNull"))
        .thresholds(_thresholds(steps))
        .mappings([*([ValueMap(options=options)] if options else []), _unknown(content.empty_text)])
        .text(common.VizTextDisplayOptions().title_size(13).value_size(20))
        .text_mode(
            BigValueTextMode.VALUE_AND_NAME if content.queries[1:] else BigValueTextMode.AUTO
        )
    )
    return (
        panel.override_by_regexp("/SLO broken/", _fixed(RED)).override_by_regexp(
            "/SLO kept/", _fixed(GREEN)
        )
        if is_plain
        else panel
    )


def _unknown(text: str) -> SpecialValueMap:
    """Map a value that is absent to a grey text."""
    return SpecialValueMap(
        options=DashboardSpecialValueMapOptions(
            match=SpecialValueMatch.NULL_AND_NAN,
            result=ValueMappingResult(text=text, color=GREY, index=9),
        )
    )


def _reduced_to(to: str) -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs([to])


def _thresholds(steps: Thresholds) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value, color) for value, color in steps])
    )


def red_above_zero(panel: stat.Panel, name: str) -> stat.Panel:
    """Colour a number red where it is above 0."""
    steps = [{"value": None, "color": GREEN}, {"value": 1, "color": RED}]
    return panel.override_by_regexp(
        legend_pattern(name),
        [DynamicConfigValue("thresholds", {"mode": "absolute", "steps": steps})],
    )


def with_series_names(panel: stat.Panel) -> stat.Panel:
    """Show the name of each series beside its value."""
    return panel.text_mode(BigValueTextMode.VALUE_AND_NAME)


def heatmap_panel(content: PanelContent) -> heatmap.Panel:
    """Draw the buckets of a histogram over time."""
    return (
        heatmap.Panel()
        .title(content.title)
        .description(content.description)
        .datasource(DATASOURCE)
        .targets(list(_targets(content, PromQueryFormat.HEATMAP)))
        .unit("reqps")
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
        )
        .y_axis(heatmap.YAxisConfig().unit(content.unit))
        .show_value(VisibilityMode.NEVER)
        .no_value(content.empty_text)
    )


def curve(content: PanelContent) -> xychart.Panel:
    """Draw the second query against the first, a point for each time."""
    return (
        xychart.Panel()
        .title(content.title)
        .description(content.description)
        .datasource(DATASOURCE)
        .targets(list(_targets(content)))
        .with_transformation(
            DataTransformerConfig(id_val="joinByField", options={"byField": "Time"})
        )
        .with_transformation(
            DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}})
        )
        .mapping(SeriesMapping.AUTO)
        .show(XYShowMode.POINTS)
        .unit(content.unit)
        .override_by_regexp(legend_pattern("rate"), [DynamicConfigValue("unit", "reqps")])
        .override_by_regexp(legend_pattern("p99"), _fixed(SIDE_COLORS["client"]))
        .no_value(content.empty_text)
        .legend(common.VizLegendOptions().show_legend(False))
    )


def state_timeline(
    content: PanelContent, words: Mapping[str, tuple[str, str]]
) -> statetimeline.Panel:
    """Draw a band for each series, with a word and a colour for each value."""
    options = {
        value: ValueMappingResult(text=text, color=color, index=at)
        for at, (value, (text, color)) in enumerate(words.items())
    }
    return (
        statetimeline.Panel()
        .title(content.title)
        .description(content.description)
        .datasource(DATASOURCE)
        .targets(list(_targets(content)))
        .unit(content.unit)
        .no_value(content.empty_text)
        .mappings([ValueMap(options=options)])
        .show_value(VisibilityMode.NEVER)
        .row_height(0.8)
        .disable_pagination()
        .legend(common.VizLegendOptions().show_legend(False))
    )


def table_panel(content: PanelContent, names: Mapping[str, str]) -> table.Panel:
    """Draw a table with a row for each set of labels, sorted by the first query.

    Its columns are the labels, renamed by `names`, and the queries.
    """
    columns = {f"Value #{chr(ord('A') + at)}": query for at, query in enumerate(content.queries)}
    renamed = {**names, **{value: query.legend for value, query in columns.items()}}
    order = {name: at for at, name in enumerate(["run", *renamed])}
    panel = (
        table.Panel()
        .title(content.title)
        .description(content.description)
        .datasource(DATASOURCE)
        .targets([target.instant() for target in _targets(content, PromQueryFormat.TABLE)])
        .unit(content.unit)
        .no_value(content.empty_text)
        .min_width(80)
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True},
                    "indexByName": order,
                    "renameByName": renamed,
                },
            )
        )
        .with_transformation(
            DataTransformerConfig(
                id_val="filterByValue", options=_rows_with_value(content.queries[0].legend)
            )
        )
        .sort_by(
            [common.TableSortByFieldState().display_name(content.queries[0].legend).desc(True)]
        )
    )
    for query in content.queries:
        panel = panel.override_by_name(query.legend, [DynamicConfigValue("unit", query.unit)])
    for label in ("run", *names.values()):  # A run called 051606 is no number.
        panel = panel.override_by_name(label, [DynamicConfigValue("unit", "string")])
    return panel


def _rows_with_value(column: str) -> dict[str, object]:
    """Keep rows with a value in this column; the others are of counters that did not increase."""
    return {
        "type": "include",
        "match": "all",
        "filters": [{"fieldName": column, "config": {"id": "isNotNull", "options": {}}}],
    }
