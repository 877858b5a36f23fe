"""Charts of recorded runs: one axis of time for all of a page, so that zooming one zooms all."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import (
    AdaptiveTicker,
    BoxAnnotation,
    ColumnDataSource,
    CrosshairTool,
    CustomJSHover,
    CustomJSTickFormatter,
    FixedTicker,
    HoverTool,
    LinearAxis,
    LinearColorMapper,
    Range1d,
    Span,
)
from bokeh.plotting import figure

from firedrill import units
from firedrill.report import colors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firedrill.report.recording import Line, Recording, Values

HEIGHT_PIXELS = 230
ROW_PIXELS = 24
NO_LINE = "Not measured in this run."

NUMBERS = {
    "s": "v >= 10 ? v.toFixed(0) + ' s' : v >= 1 ? +v.toFixed(1) + ' s' : +(v * 1000).toPrecision(3) + ' ms'",
    "percentunit": "+(v * 100).toPrecision(3) + ' %'",
    "reqps": "+v.toPrecision(3) + '/s'",
    "short": "+v.toPrecision(4) + ''",
}
"""JavaScript for a value `v`, by Grafana's name of its unit."""

CLOCK = "const t = Math.round(v); return Math.floor(t / 60) + ':' + String(Math.floor(t % 60)).padStart(2, '0')"


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a chart's legend, which the page writes beside it."""

    name: str
    color: str
    dash: str
    """`solid` or `dashed`."""
    last: str
    most: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure, and what the page says around it."""

    title: str
    question: str
    figure: figure | None
    """None: there is nothing to draw, and `when_empty` says so."""
    keys: tuple[Key, ...] = ()
    when_empty: str = ""
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Marks:
    """What is marked on every chart. Seconds since the load began."""

    steps: tuple[tuple[float, float, str], ...] = ()
    """(start, end, text)"""
    faults: tuple[tuple[float, float, str], ...] = ()
    gaps: tuple[tuple[float, float, str], ...] = ()


@dataclass(slots=True)
class Canvas:
    """Makes the charts of one page, on one axis of time."""

    times: Values
    end: float
    marks: Marks = field(default_factory=Marks)

    def __post_init__(self) -> None:
        self._range = Range1d(0, self.end, bounds=(0, self.end), min_interval=min(2.0, self.end))
        self._cursor = Span(dimension="height", line_dash="dotted", line_color=colors.STEP)

    _range: Range1d = field(init=False)
    _cursor: Span = field(init=False)

    # -- kinds of chart

    def lines(self, lines: Sequence[Line], unit: str, scale: str = "linear", palette: Sequence[str] = ()) -> figure:
        """Lines over time; a series whose name ends in `(seconds)` has an axis of its own on the right."""
        left = [line for line in lines if not _is_aside(line)]
        low, high = _bounds(left or lines, scale)
        plot = self._figure(low, high, unit, log=scale == "log")
        source = self._source(lines)
        if scale == "log":
            _blank_below(source, low)
        if len(left) < len(lines) and left:
            self._second_axis(plot, [line for line in lines if _is_aside(line)])
        for at, line in enumerate(lines):
            plot.line(
                "x",
                f"s{at}",
                source=source,
                name=f"series-{at}",
                line_width=1.4 if "p50" in line.name else 2,
                line_alpha=0.75 if "p50" in line.name else 1,
                line_color=palette[at] if palette else colors.of_series(line.name, at),
                line_dash=_dash(line),
                **({"y_range_name": "aside"} if _is_aside(line) and left else {}),
            )
        self._hover(plot, source, [(line.name, "s" if _is_aside(line) else unit) for line in lines], low)
        return plot

    def areas(self, lines: Sequence[Line], unit: str) -> figure:
        """Series stacked on each other, in the colours of their status."""
        stacked = np.nancumsum([np.nan_to_num(line.values) for line in lines], axis=0)
        plot = self._figure(0, _ceiling(float(stacked[-1].max())), unit)
        source = self._source(lines)
        below: Any = np.zeros_like(self.times)
        for at, line in enumerate(lines):
            source.data[f"low{at}"], source.data[f"high{at}"] = below, stacked[at].astype(np.float32)
            plot.varea(
                "x", f"low{at}", f"high{at}", source=source, name=f"series-{at}", fill_alpha=0.6, fill_color=colors.of_status(line.name)
            )
            below = stacked[at].astype(np.float32)
        self._hover(plot, source, [(line.name, unit) for line in lines], 0)
        return plot

    def heatmap(self, lines: Sequence[Line]) -> figure | None:
        """A histogram's buckets over time, a row each whatever its width. None where nothing was counted."""
        bounds, counts = _buckets(lines)
        used = [row for row, values in enumerate(counts) if np.nanmax(values, initial=0.0) > 0]
        if not used:
            return None
        low, high = used[0], used[-1] + 1
        plot = self._figure(low, high, "short")
        half = (self.times[1] if len(self.times) > 1 else 1.0) / 2
        image = np.nan_to_num(counts[low:high])
        mapper = LinearColorMapper(palette=colors.HEAT, low=0, high=float(image.max()))
        mapper.low_color = "rgba(0, 0, 0, 0)"
        # A rate of nothing is not the palest colour but none.
        image[image == 0] = -1
        drawn = plot.image(
            image=[image], x=[-half], y=[low], dw=[float(self.times[-1]) + 2 * half], dh=[high - low], color_mapper=mapper, name="heat"
        )
        plot.yaxis.ticker = FixedTicker(ticks=list(range(low, high + 1, 1 + (high - low) // 12)))
        plot.yaxis.major_label_overrides = {row: units.seconds(bounds[row - 1]) if row else "0" for row in range(low, high + 1)}
        if math.isinf(bounds[high - 1]):
            plot.yaxis.major_label_overrides[high] = "more"
        plot.ygrid.visible = False
        clock, rate = (
            CustomJSHover(code=_returning(CLOCK, clock=True)),
            CustomJSHover(code="return value < 0 ? '–' : +value.toPrecision(3) + '/s'"),
        )
        plot.add_tools(
            HoverTool(
                renderers=[drawn],
                tooltips=[("after", "$x{custom}"), ("requests", "@image{custom}")],
                formatters={"$x": clock, "@image": rate},
            )
        )
        return plot

    def timeline(
        self, rows: Sequence[str], bars: Sequence[tuple[int, float, float, str, str]], told: Sequence[tuple[float, str]]
    ) -> figure:
        """Rows of bars, top to bottom: (row, start, end, colour, text); and a mark for whoever was told, on the last row."""
        plot = self._figure(-0.5, len(rows) - 0.5, "short", height=ROW_PIXELS * len(rows) + 60)
        at = [len(rows) - 1 - row for row, *_ in bars]
        source = ColumnDataSource(
            {
                "y": at,
                "left": [bar[1] for bar in bars],
                "right": [bar[2] for bar in bars],
                "color": [bar[3] for bar in bars],
                "text": [bar[4] for bar in bars],
            }
        )
        drawn = plot.hbar("y", left="left", right="right", height=0.62, color="color", fill_alpha=0.75, source=source, name="bars")
        plot.add_tools(HoverTool(renderers=[drawn], tooltips=[("", "@text")]))
        texts = ColumnDataSource(
            {
                "x": [start for start, _, _ in self.marks.steps],
                "y": [len(rows) - 1] * len(self.marks.steps),
                "text": [text for _, _, text in self.marks.steps],
            }
        )
        plot.text(
            "x",
            "y",
            text="text",
            source=texts,
            text_baseline="middle",
            text_font_size="11px",
            x_offset=5,
            text_color="#ffffff",
            name="users",
        )
        if told:
            self._told(plot, told)
        plot.yaxis.ticker = FixedTicker(ticks=list(range(len(rows))))
        plot.yaxis.major_label_overrides = {len(rows) - 1 - row: _short(name) for row, name in enumerate(rows)}
        plot.ygrid.visible = False
        return plot

    def _told(self, plot: figure, told: Sequence[tuple[float, str]]) -> None:
        source = ColumnDataSource({"x": [time for time, _ in told], "y": [0] * len(told), "text": [text for _, text in told]})
        drawn = plot.scatter("x", "y", marker="inverted_triangle", size=11, color=colors.RED, source=source, name="told")
        plot.add_tools(HoverTool(renderers=[drawn], tooltips=[("", "@text")]))

    # -- parts

    def _figure(self, low: float, high: float, unit: str, *, log: bool = False, height: int = HEIGHT_PIXELS) -> figure:
        plot = figure(
            height=height,
            sizing_mode="stretch_width",
            x_range=self._range,
            y_range=Range1d(low, high),
            y_axis_type="log" if log else "linear",
            tools="xpan,xbox_zoom,xwheel_zoom,reset",
            active_drag="xbox_zoom",
            active_scroll=None,
            toolbar_location="above",
            background_fill_color=None,
            border_fill_color=None,
            outline_line_color=None,
            min_border=0,
        )
        plot.toolbar.logo, plot.toolbar.autohide, plot.toolbar_inner = None, True, True
        plot.add_tools(CrosshairTool(overlay=[self._cursor, Span(dimension="width", line_alpha=0)]))
        plot.xaxis.formatter = CustomJSTickFormatter(code=_returning(CLOCK, tick=True))
        plot.xaxis.ticker = AdaptiveTicker(base=60, mantissas=[1, 2, 5, 10, 15, 30], min_interval=1, desired_num_ticks=7)
        plot.yaxis.formatter = _tick_format(unit)
        if log:
            plot.yaxis.ticker = FixedTicker(ticks=list(_round_numbers(low, high)))
        for axis in plot.axis:
            axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = None
        self._mark(plot)
        return plot

    def _mark(self, plot: figure) -> None:
        for start, end, _ in self.marks.faults:
            plot.add_layout(BoxAnnotation(left=start, right=end, fill_color=colors.ORANGE, fill_alpha=0.16, line_color=None))
        for start, end, _ in self.marks.gaps:
            plot.add_layout(
                BoxAnnotation(left=start, right=end, fill_color=None, hatch_pattern="/", hatch_color=colors.GAP, hatch_alpha=0.35)
            )
        for start, _, _ in self.marks.steps:
            if start > 0:
                plot.add_layout(Span(location=start, dimension="height", line_color=colors.STEP, line_dash="dashed", line_alpha=0.8))

    def _source(self, lines: Sequence[Line]) -> ColumnDataSource:
        return ColumnDataSource({"x": self.times, **{f"s{at}": line.values.copy() for at, line in enumerate(lines)}})

    def _second_axis(self, plot: figure, aside: Sequence[Line]) -> None:
        plot.extra_y_ranges = {"aside": Range1d(0, _bounds(aside, "linear")[1])}
        axis = LinearAxis(y_range_name="aside", formatter=_tick_format("s"), axis_line_color=None)
        axis.major_tick_line_color = axis.minor_tick_line_color = None
        plot.add_layout(axis, "right")

    def _hover(self, plot: figure, source: ColumnDataSource, names: Sequence[tuple[str, str]], low: float) -> None:
        """One box with every series' value, wherever a series has none."""
        source.data["base"] = np.full_like(self.times, low)
        ground = plot.line("x", "base", source=source, line_alpha=0, name="ground")
        formats = {f"@s{at}": CustomJSHover(code=_value(unit)) for at, (_, unit) in enumerate(names)}
        plot.add_tools(
            HoverTool(
                renderers=[ground],
                mode="vline",
                line_policy="nearest",
                tooltips=[("after", "@x{custom}"), *((name, f"@s{at}{{custom}}") for at, (name, _) in enumerate(names))],
                formatters={"@x": CustomJSHover(code=_returning(CLOCK, clock=True)), **formats},
                point_policy="follow_mouse",
            )
        )


def keys(lines: Sequence[Line], unit: str, palette: Sequence[str] = ()) -> tuple[Key, ...]:
    """The legend of a chart of lines."""
    return tuple(
        Key(line.name, palette[at] if palette else colors.of_series(line.name, at), _dash(line), *_last_and_most(line, unit))
        for at, line in enumerate(lines)
    )


def status_keys(lines: Sequence[Line], unit: str) -> tuple[Key, ...]:
    """The legend of a chart of status codes."""
    return tuple(Key(line.name, colors.of_status(line.name), "solid", *_last_and_most(line, unit)) for line in lines)


def _last_and_most(line: Line, unit: str) -> tuple[str, str]:
    known = line.values[~np.isnan(line.values)]
    written = {"s": units.seconds, "percentunit": units.percent, "reqps": units.rate}.get("s" if _is_aside(line) else unit, units.count)
    return written(float(known[-1]) if len(known) else None), written(line.largest)


def marks_of(recording: Recording, steps: Sequence[Mapping[str, Any]], faults: Sequence[tuple[float, float, str]]) -> Marks:
    """The marks of one run."""
    return Marks(
        steps=tuple((step["start_seconds"], step["end_seconds"], f"{step['users']} users") for step in steps),
        faults=tuple(faults),
        gaps=tuple((gap.start, gap.end, "nothing was recorded") for gap in recording.gaps),
    )


def _is_aside(line: Line) -> bool:
    return line.name.endswith("(seconds)")


def _dash(line: Line) -> str:
    return "dashed" if line.name == "SLO" else "solid"


def _bounds(lines: Sequence[Line], scale: str) -> tuple[float, float]:
    if scale == "full":
        return 0.0, max(1.02, _ceiling(max((line.largest or 0.0 for line in lines), default=0.0)) if _exceeds(lines) else 1.02)
    largest = max((line.largest or 0.0 for line in lines), default=0.0)
    if scale == "linear":
        return 0.0, _ceiling(largest)
    known = [float(value) for line in lines for value in line.values if value > 0]
    return 10 ** math.floor(math.log10(min(known, default=0.001))), _ceiling(max(known, default=1.0)) * 1.1


def _round_numbers(low: float, high: float) -> Iterator[float]:
    """Marks of a logarithmic axis, fewer where it spans more."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    for decade in decades:
        yield from (factor * 10.0**decade for factor in ((1, 2, 5) if len(decades) <= 2 else (1, 3)))


def _exceeds(lines: Sequence[Line]) -> bool:
    return any((line.largest or 0.0) > 1.02 for line in lines)


def _ceiling(largest: float) -> float:
    return largest * 1.06 if largest > 0 else 1.0


def _blank_below(source: ColumnDataSource, low: float) -> None:
    """A logarithmic axis has no zero: what is not above its lower end is drawn there."""
    for name, values in source.data.items():
        if name.startswith("s"):
            source.data[name] = np.where(values < low, np.float32(low), values)


def _buckets(lines: Sequence[Line]) -> tuple[list[float], Any]:
    """Upper bounds, and what fell between each and the one below it."""
    ordered = sorted((float(line.name), line.values) for line in lines) if lines else []
    if not ordered:
        return [], np.zeros((0, 0), dtype=np.float32)
    cumulative = np.array([values for _, values in ordered], dtype=np.float32)
    return [bound for bound, _ in ordered], np.diff(cumulative, axis=0, prepend=np.float32(0)).clip(min=0)


def _tick_format(unit: str) -> CustomJSTickFormatter:
    return CustomJSTickFormatter(code=f"const v = tick; return {NUMBERS.get(unit, NUMBERS['short'])}")


def _value(unit: str) -> str:
    return f"const v = value; return Number.isFinite(v) ? {NUMBERS.get(unit, NUMBERS['short'])} : '–'"


def _returning(code: str, *, tick: bool = False, clock: bool = False) -> str:
    return f"const v = {'tick' if tick else 'value' if clock else 'v'}; {code}"


def _short(name: str) -> str:
    return name if len(name) <= 34 else f"{name[:33]}…"


def segments(rows: Mapping[str, int], spans: Sequence[tuple[str, float, float, str, str]]) -> Iterator[tuple[int, float, float, str, str]]:
    """Bars of a timeline from spans by the name of their row: (name, start, end, colour, text)."""
    return ((rows[name], start, end, color, text) for name, start, end, color, text in spans)
