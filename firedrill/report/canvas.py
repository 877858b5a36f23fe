"""What all charts of a page have in common: one axis of time, one cursor, and the marks of what was done to the API."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from bokeh.models import (
    AdaptiveTicker,
    BoxAnnotation,
    CrosshairTool,
    CustomJSHover,
    CustomJSTickFormatter,
    FixedTicker,
    HoverTool,
    LinearAxis,
    Range1d,
    Span,
)
from bokeh.plotting import figure

from firedrill.report import colors, scales

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firedrill.report.recording import Values
    from firedrill.report.scales import Scale

HEIGHT_PIXELS = 220
BEHIND = {"level": "underlay", "line_color": None}
"""Of a band: what is drawn keeps its colour."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A time in which something was so. Seconds since the load began."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Marks:
    """What is marked on every chart."""

    steps: Sequence[Mark] = ()
    """Of the load."""
    faults: Sequence[Mark] = ()
    gaps: Sequence[Mark] = ()


class Canvas:
    """Makes the figures of one page."""

    def __init__(self, times: Values, end: float, marks: Marks) -> None:
        self.times = times
        self.end = end
        self.marks = marks
        self._range = Range1d(0, end, bounds=(0, end), min_interval=min(2.0, end))
        self._cursor = Span(dimension="height", line_dash="dotted", line_color=colors.STEP)

    def blank(self, low: float, high: float, unit: str, scale: Scale = "linear", height: int = HEIGHT_PIXELS) -> figure:
        """An empty figure, its values between two bounds in a unit."""
        plot = figure(
            height=height,
            sizing_mode="stretch_width",
            x_range=self._range,
            y_range=Range1d(low, high),
            y_axis_type="log" if scale == "log" else "linear",
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
        plot.toolbar.stylesheets = [":host(.bk-inner) { background-color: transparent; }"]
        plot.add_tools(CrosshairTool(overlay=[self._cursor, Span(dimension="width", line_alpha=0)], visible=False))
        plot.xaxis.formatter = CustomJSTickFormatter(code=f"const v = tick; return {scales.CLOCK}")
        plot.xaxis.ticker = AdaptiveTicker(base=60, mantissas=[1, 2, 5, 10, 15, 30], min_interval=1, desired_num_ticks=7)
        plot.yaxis.formatter = CustomJSTickFormatter(code=scales.tick_code(unit))
        if scale == "log":
            plot.yaxis.ticker = FixedTicker(ticks=list(scales.round_numbers(low, high)))
        for axis in plot.axis:
            _bare(axis)
        self._mark(plot)
        return plot

    def _mark(self, plot: figure) -> None:
        for fault in self.marks.faults:
            plot.add_layout(BoxAnnotation(left=fault.start, right=fault.end, fill_color=colors.ORANGE, fill_alpha=0.16, **BEHIND))
        for gap in self.marks.gaps:
            hatched = {"hatch_pattern": "/", "hatch_color": colors.STEP, "hatch_alpha": 0.4}
            plot.add_layout(BoxAnnotation(left=gap.start, right=gap.end, fill_color=None, **hatched, **BEHIND))
        for step in self.marks.steps:
            if step.start > 0:
                plot.add_layout(Span(location=step.start, dimension="height", line_color=colors.STEP, line_dash="dashed"))


def second_axis(plot: figure, high: float, unit: str) -> str:
    """Give a figure an axis on its right, from 0; returns the name of its range."""
    plot.extra_y_ranges = {"aside": Range1d(0, high)}
    axis = LinearAxis(y_range_name="aside", formatter=CustomJSTickFormatter(code=scales.tick_code(unit)))
    _bare(axis)
    plot.add_layout(axis, "right")
    return "aside"


def hover(renderer: object, rows: Sequence[tuple[str, str, str]], codes: Mapping[str, str], mode: str = "mouse") -> HoverTool:
    """A box beside the pointer: (colour, name, field) a row, and the code that writes each field's value.

    Names are other people's text: nothing in them is taken for markup or for a field.
    """
    return HoverTool(
        renderers=[renderer],
        visible=False,
        mode=mode,
        line_policy="nearest",
        point_policy="follow_mouse",
        tooltips=f'<div style="{BOX}">{"".join(_row(*row) for row in rows)}</div>',
        formatters={field: CustomJSHover(code=code) for field, code in codes.items()},
    )


BOX = "margin:-5px;padding:6px 9px;background:var(--page);color:var(--ink);font:12px/1.5 var(--font);max-width:340px"
SWATCH = "display:inline-block;width:9px;height:9px;margin-right:6px;border-radius:2px;background"


def _row(color: str, name: str, field: str) -> str:
    swatch = f'<span style="{SWATCH}:{color}"></span>' if color else ""
    plain = escape(name).replace("@", "&#64;").replace("$", "&#36;")
    return f'<div style="overflow-wrap:anywhere">{swatch}{plain} <b>{field}</b></div>'


def _bare(axis: LinearAxis) -> None:
    axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = None
