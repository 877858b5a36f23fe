"""Parts that all charts of a page share: time axis, cursor, and marks of steps, faults and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from bokeh.models import (
    AdaptiveTicker,
    BoxZoomTool,
    ColumnDataSource,
    CrosshairTool,
    CustomJSHover,
    CustomJSTickFormatter,
    FixedTicker,
    Grid,
    HoverTool,
    LinearAxis,
    LinearScale,
    LogAxis,
    LogScale,
    PanTool,
    Plot,
    Range1d,
    ResetTool,
    Span,
    Toolbar,
    VSpan,
    VStrip,
    WheelZoomTool,
)

from firedrill.report.charts import axes, colors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bokeh.models import Glyph, GlyphRenderer

    from firedrill.report.panels import Scale
    from firedrill.report.recorded_series import Values

HEIGHT_PIXELS = 220


@dataclass(frozen=True, slots=True)
class Mark:
    """A labelled span of time in seconds since the start of the load."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks on every chart."""

    steps: Sequence[Mark] = ()
    """Load steps."""
    faults: Sequence[Mark] = ()
    gaps: Sequence[Mark] = ()


class Canvas:
    """Factory of the plots of a page.

    Plots share their models, because the time that the chart library takes grows with each model.
    """

    def __init__(self, times: Values, end: float, marks: Marks) -> None:
        self.times = times
        self.end = end
        self.marks = marks
        self._range = Range1d(0, end, bounds=(0, end), min_interval=min(2.0, end))
        self._cursor, self._no_cursor = (
            Span(dimension="height", line_dash="dotted", line_color=colors.STEP),
            Span(visible=False),
        )
        self._clock = CustomJSTickFormatter(code=f"const v = tick; return {axes.CLOCK}")
        self._ticker = AdaptiveTicker(
            base=60, mantissas=[1, 2, 5, 10, 15, 30], min_interval=1, desired_num_ticks=7
        )
        self._bands = [
            (
                _times(marks.faults),
                VStrip(fill_color=colors.ORANGE, fill_alpha=0.16, line_color=None),
            ),
            (
                _times(marks.gaps),
                VStrip(
                    fill_color=None,
                    line_color=None,
                    hatch_pattern="/",
                    hatch_color=colors.STEP,
                    hatch_alpha=0.4,
                ),
            ),
            (
                _times([step for step in marks.steps if step.start > 0]),
                VSpan(x="x0", line_color=colors.STEP, line_dash="dashed"),
            ),
        ]

    def empty_plot(
        self,
        low: float,
        high: float,
        unit: str,
        scale: Scale = "linear",
        height: int = HEIGHT_PIXELS,
    ) -> Plot:
        """Return an empty plot for values between two bounds."""
        plot = Plot(
            height=height,
            sizing_mode="stretch_width",
            x_range=self._range,
            y_range=Range1d(low, high),
            y_scale=LogScale() if scale == "log" else LinearScale(),
            toolbar=self._toolbar(),
            toolbar_location="above",
            toolbar_inner=True,
            background_fill_color=None,
            border_fill_color=None,
            outline_line_color=None,
            min_border=0,
        )
        values = (LogAxis if scale == "log" else LinearAxis)(
            formatter=CustomJSTickFormatter(code=axes.tick_code(unit)), **PLAIN_AXIS
        )
        if scale == "log":
            values.ticker = FixedTicker(ticks=list(axes.round_ticks(low, high)))
        times = LinearAxis(formatter=self._clock, ticker=self._ticker, **PLAIN_AXIS)
        for axis, place, dimension in ((times, "below", 0), (values, "left", 1)):
            plot.add_layout(axis, place)
            plot.add_layout(Grid(axis=axis, dimension=dimension))
        for source, band in self._bands:
            if len(source.data["x0"]):
                # At its own level, the grid would be drawn over these lines.
                draw(
                    plot,
                    band,
                    source,
                    name="mark",
                    level="glyph" if isinstance(band, VSpan) else "underlay",
                )
        return plot

    def _toolbar(self) -> Toolbar:
        zoom = BoxZoomTool()
        crosshair = CrosshairTool(overlay=[self._cursor, self._no_cursor], visible=False)
        return Toolbar(
            tools=[
                PanTool(dimensions="width"),
                zoom,
                WheelZoomTool(dimensions="width"),
                ResetTool(),
                crosshair,
            ],
            active_drag=zoom,
            active_scroll=None,
            logo=None,
            autohide=True,
            stylesheets=[":host(.bk-inner) { background-color: transparent; }"],
        )


PLAIN_AXIS = {"axis_line_color": None, "major_tick_line_color": None, "minor_tick_line_color": None}
"""Options of an axis without lines."""


def draw(
    plot: Plot, glyph: Glyph, source: ColumnDataSource, **renderer: object
) -> GlyphRenderer[Glyph]:
    """Draw the columns of a source with a glyph."""
    return plot.add_glyph(source, glyph, **renderer)


def _times(marks: Sequence[Mark]) -> ColumnDataSource:
    return ColumnDataSource(
        {"x0": [mark.start for mark in marks], "x1": [mark.end for mark in marks]}
    )


def add_second_axis(plot: Plot, high: float, unit: str) -> str:
    """Add an axis from 0 on the right of a plot, and return the name of its range."""
    plot.extra_y_ranges = {"aside": Range1d(0, high)}
    plot.add_layout(
        LinearAxis(
            y_range_name="aside",
            formatter=CustomJSTickFormatter(code=axes.tick_code(unit)),
            **PLAIN_AXIS,
        ),
        "right",
    )
    return "aside"


def hover_tool(
    renderer: object,
    rows: Sequence[tuple[str, str, str]],
    codes: Mapping[str, str],
    mode: str = "mouse",
) -> HoverTool:
    """Return a tool that shows rows of (colour, name, field) beside the pointer.

    Names come from users, so they are escaped as markup and as field names. `codes` are the
    JavaScript functions that format fields.
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


BOX = (
    "margin:-5px;padding:6px 9px;background:var(--page);color:var(--ink);"
    "font:12px/1.5 var(--font);max-width:340px"
)
SWATCH = "display:inline-block;width:9px;height:9px;margin-right:6px;border-radius:2px;background"


def _row(color: str, name: str, field: str) -> str:
    swatch = f'<span style="{SWATCH}:{color}"></span>' if color else ""
    plain = escape(name).replace("@", "&#64;").replace("$", "&#36;")
    return f'<div style="overflow-wrap:anywhere">{swatch}{plain} <b>{field}</b></div>'
