"""The chart of a capacity: latency against throughput, a dot for each trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.models import (
    ColumnDataSource,
    CustomJSTickFormatter,
    Grid,
    LinearAxis,
    LinearScale,
    LogAxis,
    LogScale,
    Plot,
    Range1d,
    Scatter,
    Span,
)
from bokeh.models import Line as LineGlyph

from firedrill import units
from firedrill.report.charts import axes, colors
from firedrill.report.charts.canvas import HEIGHT_PIXELS, PLAIN_AXIS, draw, hover_tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.record.capacity import TrialFigures

OUTCOME_COLORS = {"held": colors.GREEN, "broken": colors.RED, "limited": colors.STEP}
PERCENTILES = {"p50": "circle", "p99": "square"}
SHORTEST_SECONDS = 1e-3


def latency_against_throughput(
    trials: Sequence[TrialFigures], objectives_seconds: Sequence[float]
) -> Plot | None:
    """Draw p50 and p99 of each trial over its answers a second; None without a measured trial.

    Args:
        trials: The trials of a search.
        objectives_seconds: Latency objectives, drawn as dashed lines.
    """
    measured = sorted(
        (trial for trial in trials if trial.throughput and trial.latency_seconds.get("p99")),
        key=lambda trial: trial.rate,
    )
    if not measured:
        return None
    rows = {
        name: [
            (trial.throughput or 0.0, max(SHORTEST_SECONDS, seconds), trial)
            for trial in measured
            if (seconds := trial.latency_seconds.get(name))
        ]
        for name in PERCENTILES
    }
    latencies = [seconds for points in rows.values() for _, seconds, _ in points]
    low, high = axes.bounds("log", min(latencies), max([*latencies, *objectives_seconds]))
    most = max(throughput for points in rows.values() for throughput, *_ in points)
    plot = _empty_plot(low, high, axes.bounds("linear", 0, most)[1])
    for limit in objectives_seconds:
        plot.add_layout(
            Span(dimension="width", location=limit, line_dash="dashed", line_color=colors.RED)
        )
    for name, points in rows.items():
        source = ColumnDataSource(
            {
                "x": [throughput for throughput, *_ in points],
                "y": [seconds for _, seconds, _ in points],
                "color": [OUTCOME_COLORS.get(trial.outcome, colors.STEP) for *_, trial in points],
                "text": [_text(name, trial) for *_, trial in points],
            }
        )
        draw(
            plot,
            LineGlyph(x="x", y="y", line_color=colors.STEP, line_alpha=0.5),
            source,
            name=f"line-{name}",
        )
        dots = draw(
            plot,
            Scatter(
                x="x",
                y="y",
                size=9,
                marker=PERCENTILES[name],
                fill_color="color",
                line_color="color",
            ),
            source,
            name=f"trials-{name}",
        )
        plot.add_tools(hover_tool(dots, [("", "", "@text")], {}))
    return plot


def _text(name: str, trial: TrialFigures) -> str:
    latency = units.latency(trial.latency_seconds.get(name))
    return f"{units.rate(trial.rate)} {trial.outcome}: {name} {latency}"


def _empty_plot(low: float, high: float, most: float) -> Plot:
    plot = Plot(
        height=HEIGHT_PIXELS,
        sizing_mode="stretch_width",
        x_range=Range1d(0, most),
        y_range=Range1d(low, high),
        x_scale=LinearScale(),
        y_scale=LogScale(),
        toolbar_location=None,
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border=0,
    )
    rates = LinearAxis(formatter=CustomJSTickFormatter(code=axes.tick_code("reqps")), **PLAIN_AXIS)
    latencies = LogAxis(
        formatter=CustomJSTickFormatter(code=axes.tick_code("s")),
        ticker=list(axes.round_ticks(low, high)),
        **PLAIN_AXIS,
    )
    for axis, place, dimension in ((rates, "below", 0), (latencies, "left", 1)):
        plot.add_layout(axis, place)
        plot.add_layout(Grid(axis=axis, dimension=dimension))
    return plot
