"""How every panel looks: line widths, colours, legends; one function a kind of panel."""

from __future__ import annotations

import re
from itertools import count, product
from string import ascii_uppercase
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
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
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Steps = Sequence[tuple[float | None, str]]
    """From which value on which colour; None is the smallest."""

    from grafana.source.golden_signals_panels import Query, Signal

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, ORANGE, RED, BLUE, GREY = "#7EB26D", "#EF843C", "#E24D42", "#6ED0E0", "#8E8E8E"
STATUS_COLORS = {"2..": GREEN, "3..": BLUE, "4..": ORANGE, "5..": RED}

SMALLEST_SCALE = {"percentunit": 0.05, "cps": 1.0, "reqps": 1.0}
"""By unit: an axis reaches at least so far, or Grafana draws nothing but zeros on one of 10000 %."""
PLAIN: Steps = [(None, "text")]
"""Of a number that is neither good nor bad by itself."""
BAD_BELOW_ONE: Steps = [(None, RED), (1.0, GREEN)]
"""Of a yes that is 1."""
LEFT: Steps = [(None, RED), (0.1, ORANGE), (0.3, GREEN)]
"""Of what is left of a limit."""
FRESH: Steps = [(None, GREEN), (5, ORANGE), (15, RED)]
"""Of an age in seconds, at a scrape a second."""
LIMITS: Steps = [(None, GREEN), (0.7, ORANGE), (0.9, RED)]
"""Of a share of a limit: the verdict calls a resource run out from nine tenths on."""


def _targets(
    signal: Signal, form: PromQueryFormat = PromQueryFormat.TIME_SERIES
) -> list[prometheus.Dataquery]:
    return [
        _target(query, name).format(form)
        for name, query in zip(_names(), signal.queries, strict=False)
    ]


def _names() -> Iterator[str]:
    """A to Z, AA and so on, as Grafana calls the queries of a panel."""
    for length in count(1):
        yield from map("".join, product(ascii_uppercase, repeat=length))


def _target(query: Query, name: str) -> prometheus.Dataquery:
    # Of several runs laid over each other, each line says whose it is.
    target = (
        prometheus.Dataquery()
        .datasource(DATASOURCE)
        .ref_id(name)
        .expr(query.expr)
        .legend_format(f"{query.legend} {{{{run}}}}")
    )
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
        .tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        )
        .legend(_legend())
        .override_by_regexp(named_like("SLO"), _dashed(RED))
        .override_by_regexp(named_like("limit|quota|asked for"), _dashed(GREY))
    )
    if signal.unit in SMALLEST_SCALE:
        panel = panel.axis_soft_max(SMALLEST_SCALE[signal.unit])
    return panel.no_value(signal.when_empty) if signal.when_empty else panel


def named_like(names: str) -> str:
    """A pattern of the series with these names, whatever their run."""
    return f"/^({names})( |$)/"


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
    )


def _dashed(color: str) -> list[DynamicConfigValue]:
    return [
        DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color}),
        DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
        DynamicConfigValue("custom.fillOpacity", 0),
    ]


def full_scale(panel: timeseries.Panel) -> timeseries.Panel:
    """On an axis from 0 to 100 %, and further where a value is.

    Of a largest value beside a softer one, Grafana keeps to the softer, so there is one only.
    """
    return panel.axis_soft_max(1)


def by_decades(panel: timeseries.Panel) -> timeseries.Panel:
    """On a logarithmic axis: milliseconds of the answered stay readable below the minute of who waits.

    Nothing is filled, for an area over decades measures nothing.
    """
    return (
        panel.scale_distribution(
            common.ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10)
        )
        .min(0.001)
        .fill_opacity(0)
    )


def on_the_right(panel: timeseries.Panel, name: str) -> timeseries.Panel:
    """One series on an axis of its own, in seconds."""
    on_it = [DynamicConfigValue("custom.axisPlacement", "right"), DynamicConfigValue("unit", "s")]
    return panel.override_by_regexp(named_like(re.escape(name)), on_it)


def by_status(panel: timeseries.Panel) -> timeseries.Panel:
    """Stacked, each class of status codes in its colour."""
    panel = panel.stacking(
        common.StackingConfig().mode(StackingMode.NORMAL).group("A")
    ).fill_opacity(30)
    for pattern, color in STATUS_COLORS.items():
        panel = panel.override_by_regexp(
            named_like(pattern),
            [DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})],
        )
    return panel


def number(
    signal: Signal, steps: Steps = PLAIN, words: Mapping[str, str] | None = None
) -> stat.Panel:
    """The value of now in large; on the colour of the threshold that it reached, and in words, where these are given.

    It is asked once: the last of the values shown would stand there for long after what it is about has ended.
    """
    panel = (
        stat.Panel()
        .title(signal.title)
        .description(signal.question)
        .datasource(DATASOURCE)
        .targets([target.instant() for target in _targets(signal)])
        .unit(signal.unit)
        .no_value(signal.when_empty)
        .color_mode(BigValueColorMode.NONE if steps is PLAIN else BigValueColorMode.BACKGROUND)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(_reduced("lastNotNull"))
        .thresholds(_thresholds(steps))
    )
    if words:
        options = {
            value: ValueMappingResult(text=text, index=at)
            for at, (value, text) in enumerate(words.items())
        }
        panel = panel.mappings([ValueMap(options=options)])
    return panel


def _reduced(to: str) -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs([to])


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value, color) for value, color in steps])
    )


def red_above_zero(panel: stat.Panel, name: str) -> stat.Panel:
    """One number that has to be 0."""
    steps = [{"value": None, "color": GREEN}, {"value": 1, "color": RED}]
    return panel.override_by_regexp(
        named_like(name), [DynamicConfigValue("thresholds", {"mode": "absolute", "steps": steps})]
    )


def lowest(signal: Signal, steps: Steps) -> stat.Panel:
    """The smallest value of the time shown, in large."""
    return number(signal, steps).targets(list(_targets(signal))).reduce_options(_reduced("min"))


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
        .unit("reqps")
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
        )
        .y_axis(heatmap.YAxisConfig().unit(signal.unit))
        .show_value(VisibilityMode.NEVER)
        .no_value(signal.when_empty)
    )


def bars(signal: Signal) -> bargauge.Panel:
    """A bar a series: its largest value in the time shown, of 100 %."""
    return (
        bargauge.Panel()
        .title(signal.title)
        .description(signal.question)
        .datasource(DATASOURCE)
        .targets(list(_targets(signal)))
        .unit(signal.unit)
        .min(0)
        .max(1)
        .no_value(signal.when_empty)
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .reduce_options(_reduced("max"))
        .thresholds(_thresholds(LIMITS))
    )


def states(signal: Signal, words: Mapping[str, tuple[str, str]]) -> statetimeline.Panel:
    """A band a series, coloured by what it says: for each value a word and a colour."""
    options = {
        value: ValueMappingResult(text=text, color=color, index=at)
        for at, (value, (text, color)) in enumerate(words.items())
    }
    return (
        statetimeline.Panel()
        .title(signal.title)
        .description(signal.question)
        .datasource(DATASOURCE)
        .targets(list(_targets(signal)))
        .unit(signal.unit)
        .no_value(signal.when_empty)
        .mappings([ValueMap(options=options)])
        .show_value(VisibilityMode.NEVER)
        .row_height(0.8)
        .disable_pagination()
        .legend(common.VizLegendOptions().show_legend(False))
    )


def rows(signal: Signal, names: Mapping[str, str]) -> table.Panel:
    """A table: a row for each set of labels, a column for each label (renamed) and each query, the first query's largest value on top."""
    columns = {f"Value #{chr(ord('A') + at)}": query for at, query in enumerate(signal.queries)}
    renamed = {**names, **{value: query.legend for value, query in columns.items()}}
    order = {name: at for at, name in enumerate(["run", *renamed])}
    panel = (
        table.Panel()
        .title(signal.title)
        .description(signal.question)
        .datasource(DATASOURCE)
        .targets([target.instant() for target in _targets(signal, PromQueryFormat.TABLE)])
        .unit(signal.unit)
        .no_value(signal.when_empty)
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
                id_val="filterByValue", options=_only_with(signal.queries[0].legend)
            )
        )
        .sort_by([common.TableSortByFieldState().display_name(signal.queries[0].legend).desc(True)])
    )
    for query in signal.queries:
        panel = panel.override_by_name(query.legend, [DynamicConfigValue("unit", query.unit)])
    return panel


def _only_with(column: str) -> dict[str, object]:
    """A row that only other columns have is left over from counters that did not grow."""
    return {
        "type": "include",
        "match": "all",
        "filters": [{"fieldName": column, "config": {"id": "isNotNull", "options": {}}}],
    }
