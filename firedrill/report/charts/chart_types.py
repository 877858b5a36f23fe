"""The kinds of chart: lines, areas, a heatmap, a timeline."""

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
from firedrill.report.charts import series_style as strokes
from firedrill.report.charts.canvas import draw, hover, second_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bokeh.models import Plot

    from firedrill.report.charts.axes import Scale
    from firedrill.report.charts.canvas import Canvas
    from firedrill.report.charts.series_style import Stroke
    from firedrill.report.recorded_series import Line, Values

NOTHING = "Not measured in this run."
ROW_PIXELS = 24
TEXT_RATIO = 0.15
"""A shorter step of the load, or fault, has no room for its text on a phone."""

LONGEST_ROW_NAME = 34
MOST_ROW_MARKS = 12
WRITTEN = {"text_baseline": "middle", "text_font_size": "11px", "x_offset": 5}
CLOCK = f"const v = value; return {axes.CLOCK}"


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure, and what the page says around it."""

    title: str
    description: str
    figure: Plot | None
    """None: there is nothing to draw, and `when_empty` says so."""
    strokes: Sequence[Stroke] = ()
    """For the legend, which the page writes below the figure."""
    empty_text: str = NOTHING
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A time on a row of a timeline."""

    row: str
    start: float
    end: float
    color: str
    text: str


def lines(canvas: Canvas, drawn: Sequence[Stroke], scale: Scale) -> Plot:
    """Lines over time."""
    main = [stroke for stroke in drawn if not stroke.aside] or drawn
    low, high = axes.bounds(scale, strokes.smallest(main), strokes.largest(main))
    plot = canvas.blank(low, high, main[0].unit, scale)
    # A logarithmic axis has no zero: what is not above its lower end is drawn there.
    values = [
        np.maximum(stroke.line.values, np.float32(low)) if scale == "log" else stroke.line.values
        for stroke in drawn
    ]
    source = _source(canvas, values, low)
    aside = [stroke for stroke in drawn if stroke not in main]
    ranges = {
        True: second_axis(plot, axes.bounds("linear", 0, strokes.largest(aside))[1], "s")
        if aside
        else "default",
        False: "default",
    }
    for at, stroke in enumerate(drawn):
        width, alpha = (1.4, 0.75) if stroke.faint else (2, 1)
        line = LineGlyph(
            x="x",
            y=f"s{at}",
            line_width=width,
            line_alpha=alpha,
            line_color=stroke.color,
            line_dash=stroke.dash,
        )
        draw(plot, line, source, name=f"series-{at}", y_range_name=ranges[stroke in aside])
    _add_values_box(plot, source, drawn)
    return plot


def areas(canvas: Canvas, drawn: Sequence[Stroke]) -> Plot:
    """Areas stacked on each other."""
    tops = np.cumsum(
        [np.nan_to_num(stroke.line.values) for stroke in drawn], axis=0, dtype=np.float32
    )
    plot = canvas.blank(*axes.bounds("linear", 0, float(tops.max())), drawn[0].unit)
    source = _source(canvas, [stroke.line.values for stroke in drawn], 0)
    for at, (stroke, top) in enumerate(zip(drawn, tops, strict=True)):
        source.data[f"bottom{at}"], source.data[f"top{at}"] = (
            top - np.nan_to_num(stroke.line.values),
            top,
        )
        area = VArea(
            x="x", y1=f"bottom{at}", y2=f"top{at}", fill_alpha=0.6, fill_color=stroke.color
        )
        draw(plot, area, source, name=f"series-{at}")
    _add_values_box(plot, source, drawn)
    return plot


def _source(canvas: Canvas, values: Sequence[Values], low: float) -> ColumnDataSource:
    """The series, and the ground along which the pointer finds a moment, also where a series has no value."""
    ground = np.full_like(canvas.times, low)
    # Lines break at an infinite value as at none, and the pointer's box can write it otherwise than `NaN`.
    columns = {
        f"s{at}": np.where(np.isnan(each), np.float32(np.inf), each)
        for at, each in enumerate(values)
    }
    return ColumnDataSource({"x": canvas.times, "ground": ground, **columns})


def _add_values_box(plot: Plot, source: ColumnDataSource, drawn: Sequence[Stroke]) -> None:
    ground = draw(plot, LineGlyph(x="x", y="ground", line_alpha=0), source, name="ground")
    rows = [
        ("", "after", "@x{custom}"),
        *((stroke.color, stroke.name, f"@s{at}{{custom}}") for at, stroke in enumerate(drawn)),
    ]
    codes = {
        "@x": CLOCK,
        **{f"@s{at}": axes.value_code(stroke.unit) for at, stroke in enumerate(drawn)},
    }
    plot.add_tools(hover(ground, rows, codes, mode="vline"))


def heatmap(canvas: Canvas, buckets: Sequence[Line]) -> Plot | None:
    """A histogram's buckets over time, a row each whatever its width. None where nothing was counted."""
    bounds, counts = _counted(buckets)
    used = [row for row, values in enumerate(counts) if values.any()]
    if not used:
        return None
    low, high = used[0], used[-1] + 1
    plot = canvas.blank(low, high, "short")
    plot.left[0].ticker = FixedTicker(
        ticks=list(range(low, high + 1, 1 + (high - low) // MOST_ROW_MARKS))
    )
    plot.left[0].major_label_overrides = {row: _bound(bounds, row) for row in range(low, high + 1)}
    plot.center[-1].visible = False
    cell = float(canvas.times[1]) if len(canvas.times) > 1 else 1.0
    place = {"x": -cell / 2, "y": low, "dw": float(canvas.times[-1]) + cell, "dh": high - low}
    most = float(counts.max())
    # Zero is no colour at all, and not the palest.
    mapper = LinearColorMapper(
        palette=colors.HEAT, low=most / 1000, high=most, low_color="rgba(0, 0, 0, 0)"
    )
    drawn = draw(
        plot,
        Image(image="image", color_mapper=mapper, **place),
        ColumnDataSource({"image": [counts[low:high]]}),
        name="heat",
    )
    rows = [("", "after", "$x{custom}"), ("", "requests", "@image{custom}")]
    plot.add_tools(hover(drawn, rows, {"$x": CLOCK, "@image": axes.value_code("reqps")}))
    return plot


def _counted(buckets: Sequence[Line]) -> tuple[list[float], Any]:
    """Upper bounds, and what fell between each and the one below it."""
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
    return (
        "0"
        if row == 0
        else "more"
        if math.isinf(bounds[row - 1])
        else units.seconds(bounds[row - 1])
    )


def timeline(
    canvas: Canvas,
    rows: Sequence[str],
    bars: Sequence[Bar],
    dots: Sequence[Bar],
    notes: Sequence[Bar],
) -> Plot:
    """Rows of bars from top to bottom; dots and notes are bars without a length, as a mark and as a text."""
    plot = canvas.blank(-0.5, len(rows) - 0.5, "short", height=ROW_PIXELS * len(rows) + 40)
    height = {name: len(rows) - 1 - at for at, name in enumerate(rows)}
    plot.left[0].ticker = FixedTicker(ticks=list(height.values()))
    plot.left[0].major_label_overrides = {at: _short(name) for name, at in height.items()}
    plot.center[-1].visible = False
    bar = HBar(
        y="y", left="start", right="end", height=0.66, fill_color="color", line_color="color"
    )
    drawn = draw(plot, bar, _bars(bars, height), name="bars")
    plot.add_tools(hover(drawn, [("", "", "@text")], {}))
    if dots:
        dot = Scatter(
            x="start",
            y="y",
            marker="inverted_triangle",
            size=11,
            fill_color="color",
            line_color="color",
        )
        told = draw(plot, dot, _bars(dots, height), name="dots")
        plot.add_tools(hover(told, [("", "", "@text")], {}))
    for row, marks, color in (
        ("load", canvas.marks.steps, "#ffffff"),
        ("faults", canvas.marks.faults, "#1b1f24"),
    ):
        wide = [
            Bar(row, mark.start, mark.end, "", mark.text)
            for mark in marks
            if mark.end - mark.start > canvas.end * TEXT_RATIO
        ]
        if wide:
            draw(
                plot,
                Text(x="start", y="y", text="text", text_color=color, **WRITTEN),
                _bars(wide, height),
                name=row,
            )
    draw(
        plot,
        Text(x="start", y="y", text="text", tags=["ink"], **WRITTEN),
        _bars(notes, height),
        name="notes",
    )
    return plot


def _bars(bars: Sequence[Bar], height: dict[str, int]) -> ColumnDataSource:
    columns = {
        name: [getattr(bar, name) for bar in bars] for name in ("start", "end", "color", "text")
    }
    return ColumnDataSource({"y": [height[bar.row] for bar in bars], **columns})


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_ROW_NAME else f"{name[: LONGEST_ROW_NAME - 1]}…"
