"""How every panel looks: line widths, colours, legends; one function a kind of panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    DataSourceRef,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, Threshold, ThresholdsMode, ValueMap, ValueMappingResult
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grafana.source.signals import Query, Signal

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, ORANGE, RED, BLUE = "#7EB26D", "#EF843C", "#E24D42", "#6ED0E0"
STATUS_COLORS = {"2..": GREEN, "3..": BLUE, "4..": ORANGE, "5..": RED}


def _targets(signal: Signal, form: PromQueryFormat = PromQueryFormat.TIME_SERIES) -> list[prometheus.Dataquery]:
    return [_target(query, chr(ord("A") + at)).format(form) for at, query in enumerate(signal.queries)]


def _target(query: Query, name: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().datasource(DATASOURCE).ref_id(name).expr(query.expr).legend_format(query.legend)
    target = target.exemplar(True) if query.exemplars else target
    return target.instant() if query.only_latest else target.range()


def chart(signal: Signal) -> timeseries.Panel:
    """Lines over time, on an axis that begins at 0."""
    panel = (
        timeseries.Panel()
        .title(signal.title)
        .description(signal.question)
        .datasource(DATASOURCE)
        .targets(list(_targets(signal)))
        .unit(signal.unit)
        .min(0)
        .draw_style(GraphDrawStyle.LINE)
        .line_width(2)
        .fill_opacity(10)
        .line_interpolation(LineInterpolation.LINEAR)
        .show_points(VisibilityMode.NEVER)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .legend(_legend())
        .override_by_name("SLO", _dashed(RED))
    )
    return panel.no_value(signal.when_empty) if signal.when_empty else panel


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
    )


def _dashed(color: str) -> list[DynamicConfigValue]:
    return [
        DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color}),
        DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
        DynamicConfigValue("custom.fillOpacity", 0),
    ]


def full_scale(panel: timeseries.Panel) -> timeseries.Panel:
    """On an axis from 0 to 100 %, whatever the values are."""
    return panel.max(1)


def on_the_right(panel: timeseries.Panel, name: str) -> timeseries.Panel:
    """One series on an axis of its own, in seconds."""
    return panel.override_by_name(name, [DynamicConfigValue("custom.axisPlacement", "right"), DynamicConfigValue("unit", "s")])


def by_status(panel: timeseries.Panel) -> timeseries.Panel:
    """Stacked, each class of status codes in its colour."""
    panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A")).fill_opacity(30)
    for pattern, color in STATUS_COLORS.items():
        panel = panel.override_by_regexp(f"/^{pattern}$/", [DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})])
    return panel


def number(signal: Signal, steps: Sequence[tuple[float | None, str]], words: Mapping[str, str] | None = None) -> stat.Panel:
    """The latest value in large, coloured from the thresholds that it reached; in words where they are given."""
    panel = (
        stat.Panel()
        .title(signal.title)
        .description(signal.question)
        .datasource(DATASOURCE)
        .targets(list(_targets(signal)))
        .unit(signal.unit)
        .no_value(signal.when_empty)
        .color_mode(BigValueColorMode.BACKGROUND)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(value, color) for value, color in steps]))
    )
    if words:
        options = {value: ValueMappingResult(text=text, index=at) for at, (value, text) in enumerate(words.items())}
        panel = panel.mappings([ValueMap(options=options)])
    return panel


def named(panel: stat.Panel) -> stat.Panel:
    """With the series' name beside its value."""
    return panel.text_mode(BigValueTextMode.VALUE_AND_NAME)


def spread(signal: Signal) -> heatmap.Panel:
    """A histogram's buckets over time."""
    return (
        heatmap.Panel()
        .title(signal.title)
        .description(signal.question)
        .datasource(DATASOURCE)
        .targets(list(_targets(signal, PromQueryFormat.HEATMAP)))
        .unit(signal.unit)
        .calculate(False)
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64))
        .y_axis(heatmap.YAxisConfig().unit(signal.unit))
        .show_value(VisibilityMode.NEVER)
    )
