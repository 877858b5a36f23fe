"""Types of chart: lines, stacked areas, heatmap, timeline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    HBar,
    Image,
    LinearColorMapper,
    Scatter,
    Text,
    VArea,
)
from bokeh.models import Line as LineGlyph

from firedrill import units
from firedrill.report.charts import axes, colors
from firedrill.report.charts import series_style as series
from firedrill.report.charts.canvas import add_second_axis, draw, hover_tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bokeh.models import Plot

    from firedrill.report.charts.canvas import Canvas
    from firedrill.report.charts.series_style import StyledSeries
    from firedrill.report.panels import Scale
    from firedrill.report.recorded_series import Line, Values

NOTHING = "Not measured in this run."
ROW_PIXELS = 24
MINIMUM_LABEL_RATIO = 0.15
"""Share of the width below which a load step or fault has no room for its text on a phone."""

LONGEST_ROW_NAME = 34
MOST_ROW_MARKS = 12
TEXT_STYLE = {"text_baseline": "middle", "text_font_size": "11px", "x_offset": 5}
CLOCK = f"const v = value; return {axes.CLOCK}"


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot with its title, description and legend."""

    title: str
    description: str
    figure: Plot | None
    """None where there is nothing to draw; `empty_text` is shown instead."""
    series: Sequence[StyledSeries] = ()
    """Series of the legend below the plot."""
    empty_text: str = NOTHING
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar in a row of a timeline, in seconds since the start of the load."""

    row: str
    start: float
    end: float
    color: str
    text: str


def line_chart(canvas: Canvas, drawn: Sequence[StyledSeries], scale: Scale) -> Plot:
    """Draw lines over time."""
    main = [styled for styled in drawn if not styled.on_second_axis] or drawn
    low, high = axes.bounds(scale, series.smallest(main), series.largest(main))
    plot = canvas.empty_plot(low, high, main[0].unit, scale)
    # A logarithmic axis has no zero: smaller values are drawn at its lower end.
    values = [
        np.maximum(styled.line.values, np.float32(low)) if scale == "log" else styled.line.values
        for styled in drawn
    ]
    source = _source(canvas, values, low)
    on_second_axis = [styled for styled in drawn if styled not in main]
    second_range = "default"
    if on_second_axis:
        highest = series.largest(on_second_axis)
        second_range = add_second_axis(plot, axes.bounds("linear", 0, highest)[1], "s")
    for at, styled in enumerate(drawn):
        width, alpha = (1.4, 0.75) if styled.faint else (2, 1)
        line = LineGlyph(
            x="x",
            y=f"s{at}",
            line_width=width,
            line_alpha=alpha,
            line_color=styled.color,
            line_dash=styled.dash,
        )
        y_range_name = second_range if styled in on_second_axis else "default"
        draw(plot, line, source, name=f"series-{at}", y_range_name=y_range_name)
    _add_hover_values(plot, source, drawn)
    return plot


def area_chart(canvas: Canvas, drawn: Sequence[StyledSeries]) -> Plot:
    """Draw stacked areas over time."""
    tops = np.cumsum(
        [np.nan_to_num(styled.line.values) for styled in drawn], axis=0, dtype=np.float32
    )
    plot = canvas.empty_plot(*axes.bounds("linear", 0, float(tops.max())), drawn[0].unit)
    source = _source(canvas, [styled.line.values for styled in drawn], 0)
    for at, (styled, top) in enumerate(zip(drawn, tops, strict=True)):
        source.data[f"bottom{at}"], source.data[f"top{at}"] = (
            top - np.nan_to_num(styled.line.values),
            top,
        )
        area = VArea(
            x="x", y1=f"bottom{at}", y2=f"top{at}", fill_alpha=0.6, fill_color=styled.color
        )
        draw(plot, area, source, name=f"series-{at}")
    _add_hover_values(plot, source, drawn)
    return plot


def _source(canvas: Canvas, values: Sequence[Values], low: float) -> ColumnDataSource:
    """Return the series as columns, with a ground line that the pointer finds at any time."""
    ground = np.full_like(canvas.times, low)
    # Lines break at infinite values as at NaN, but the hover box can format infinity.
    columns = {
        f"s{at}": np.where(np.isnan(column), np.float32(np.inf), column)
        for at, column in enumerate(values)
    }
    return ColumnDataSource({"x": canvas.times, "ground": ground, **columns})


def _add_hover_values(plot: Plot, source: ColumnDataSource, drawn: Sequence[StyledSeries]) -> None:
    ground = draw(plot, LineGlyph(x="x", y="ground", line_alpha=0), source, name="ground")
    rows = [
        ("", "after", "@x{custom}"),
        *((styled.color, styled.name, f"@s{at}{{custom}}") for at, styled in enumerate(drawn)),
    ]
    codes = {
        "@x": CLOCK,
        **{f"@s{at}": axes.value_code(styled.unit) for at, styled in enumerate(drawn)},
    }
    plot.add_tools(hover_tool(ground, rows, codes, mode="vline"))


def heatmap(canvas: Canvas, buckets: Sequence[Line]) -> Plot | None:
    """Draw the buckets of a histogram over time, in rows of equal height; None if all are empty."""
    bounds, counts = _bucket_counts(buckets)
    used = [row for row, values in enumerate(counts) if values.any()]
    if not used:
        return None
    low, high = used[0], used[-1] + 1
    plot = canvas.empty_plot(low, high, "short")
    plot.left[0].ticker = FixedTicker(
        ticks=list(range(low, high + 1, 1 + (high - low) // MOST_ROW_MARKS))
    )
    plot.left[0].major_label_overrides = {row: _bound(bounds, row) for row in range(low, high + 1)}
    plot.center[-1].visible = False
    cell = float(canvas.times[1]) if len(canvas.times) > 1 else 1.0
    place = {"x": -cell / 2, "y": low, "dw": float(canvas.times[-1]) + cell, "dh": high - low}
    highest = float(counts.max())
    # Zero is transparent, not the palest colour.
    mapper = LinearColorMapper(
        palette=colors.HEAT, low=highest / 1000, high=highest, low_color="rgba(0, 0, 0, 0)"
    )
    drawn = draw(
        plot,
        Image(image="image", color_mapper=mapper, **place),
        ColumnDataSource({"image": [counts[low:high]]}),
        name="heat",
    )
    rows = [("", "after", "$x{custom}"), ("", "requests", "@image{custom}")]
    plot.add_tools(hover_tool(drawn, rows, {"$x": CLOCK, "@image": axes.value_code("reqps")}))
    return plot


def _bucket_counts(buckets: Sequence[Line]) -> tuple[list[float], Any]:
    """Return the upper bounds of buckets, and the counts of each bucket."""
    ordered = sorted(
        ((float(line.name), line.values) for line in buckets), key=lambda bucket: bucket[0]
    )
    if not ordered:
        return [], np.zeros((0, 0), dtype=np.float32)
    cumulative = np.nan_to_num(np.array([values for _, values in ordered], dtype=np.float32))
    return [bound for bound, _ in ordered], np.diff(cumulative, axis=0, prepend=np.float32(0)).clip(
        min=0
    )


def _bound(bounds: Sequence[float], row: int) -> str:
    """Return the label of a row's lower bound, which is the upper bound of the row below."""
    if row == 0:
        return "0"
    bound = bounds[row - 1]
    return "more" if math.isinf(bound) else units.seconds(bound)


def timeline(
    canvas: Canvas,
    rows: Sequence[str],
    bars: Sequence[Bar],
    dots: Sequence[Bar],
    notes: Sequence[Bar],
) -> Plot:
    """Draw rows of bars from top to bottom.

    Dots and notes are bars without a length, drawn as a mark and as a text.
    """
    plot = canvas.empty_plot(-0.5, len(rows) - 0.5, "short", height=ROW_PIXELS * len(rows) + 40)
    height = {name: len(rows) - 1 - at for at, name in enumerate(rows)}
    plot.left[0].ticker = FixedTicker(ticks=list(height.values()))
    plot.left[0].major_label_overrides = {at: _shortened(name) for name, at in height.items()}
    plot.center[-1].visible = False
    bar = HBar(
        y="y", left="start", right="end", height=0.66, fill_color="color", line_color="color"
    )
    drawn = draw(plot, bar, _bars(bars, height), name="bars")
    plot.add_tools(hover_tool(drawn, [("", "", "@text")], {}))
    if dots:
        dot = Scatter(
            x="start",
            y="y",
            marker="inverted_triangle",
            size=11,
            fill_color="color",
            line_color="color",
        )
        dot_renderer = draw(plot, dot, _bars(dots, height), name="dots")
        plot.add_tools(hover_tool(dot_renderer, [("", "", "@text")], {}))
    for row, marks, color in (
        ("load", canvas.marks.steps, "#ffffff"),
        ("faults", canvas.marks.faults, "#1b1f24"),
    ):
        wide = [
            Bar(row, mark.start, mark.end, "", mark.text)
            for mark in marks
            if mark.end - mark.start > canvas.end * MINIMUM_LABEL_RATIO
        ]
        if wide:
            draw(
                plot,
                Text(x="start", y="y", text="text", text_color=color, **TEXT_STYLE),
                _bars(wide, height),
                name=row,
            )
    draw(
        plot,
        Text(x="start", y="y", text="text", tags=["ink"], **TEXT_STYLE),
        _bars(notes, height),
        name="notes",
    )
    return plot


def _bars(bars: Sequence[Bar], height: dict[str, int]) -> ColumnDataSource:
    columns = {
        name: [getattr(bar, name) for bar in bars] for name in ("start", "end", "color", "text")
    }
    return ColumnDataSource({"y": [height[bar.row] for bar in bars], **columns})


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_ROW_NAME else f"{name[: LONGEST_ROW_NAME - 1]}…"
