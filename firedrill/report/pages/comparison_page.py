"""The report page of several runs, in the order given and compared with the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firedrill import names, units
from firedrill.record.played_load import played_load
from firedrill.report import panels
from firedrill.report.charts import chart_types, colors
from firedrill.report.charts.canvas import Canvas, Marks
from firedrill.report.charts.chart_types import Chart
from firedrill.report.charts.series_style import StyledSeries
from firedrill.report.pages import sentences
from firedrill.report.pages.render import data_of, render
from firedrill.report.recorded_series import Line
from firedrill.report.run_facts import FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firedrill.report.recorded_series import Recording, Values
    from firedrill.report.run_facts import Facts, Figure

NOTABLE_RATIO = 0.1
"""A figure that is worse by more than this ratio is marked."""

OVERLAYS = (
    (panels.LATENCY, "client p99, waiting included"),
    (panels.TRAFFIC, "client"),
    (panels.LATENCY, "client p50"),
    (panels.LATENCY, "server p99"),
    (panels.MEASUREMENT_QUALITY, "starved"),
    (panels.MEASUREMENT_QUALITY, "in flight"),
    (panels.ERRORS, "client"),
    (panels.SATURATION, "workers"),
    (panels.SATURATION, "connections"),
    (panels.SATURATION, "cpu"),
    (panels.QUEUE, "queue wait p95"),
    (panels.GENERATOR, "CPU of the busiest process"),
)
"""(panel, series) of each chart, which has a line for each run."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A compared run; without a recording it has no lines."""

    letter: str
    name: str
    """The part of its name that differs from the other runs."""
    color: str
    facts: Facts
    recording: Recording | None

    @property
    def title(self) -> str:
        """The name in legends."""
        return f"{self.letter}: {self.name}"

    @property
    def warnings(self) -> list[str]:
        """Warnings to read before its figures."""
        return sentences.warnings(self.facts, self.recording)


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure, and its ratio to the first run's."""

    text: str
    ratio: str = ""
    worse: bool = False


def render_comparison(runs: Sequence[ComparedRun]) -> str:
    """Return the page as HTML."""
    profiles = list(dict.fromkeys(run.facts.profile for run in runs))
    return render(
        "comparison.html",
        charts=list(_overlay_charts(runs)),
        title=f"{sentences.joined(profiles)}: {len(runs)} runs side by side",
        runs=runs,
        different=len({played_load(run.facts.document.profile) for run in runs}) > 1,
        rows=list(_rows(runs)),
        first_saturated=[sentences.first_saturated(run.facts) for run in runs],
        alerts=[_fired_alerts(run.facts) for run in runs],
        data=data_of(
            [run.recording for run in runs if run.recording],
            [run.facts.content for run in runs],
        ),
    )


def compared_runs(runs: Sequence[tuple[Facts, Recording | None]]) -> list[ComparedRun]:
    """Give each run a letter, a name and a colour, in the given order."""
    named = zip(_distinct_names([facts for facts, _ in runs]), runs, strict=True)
    return [
        ComparedRun(chr(ord("A") + at), name, colors.CYCLE[at], *run)
        for at, (name, run) in enumerate(named)
    ]


def _distinct_names(runs: Sequence[Facts]) -> list[str]:
    """Name runs by their servers, or by their start where servers are not all different."""
    for parts in (
        [facts.server.split(", ") for facts in runs],
        [facts.start_parts for facts in runs],
    ):
        short = [", ".join(part) for part in names.distinguishing(parts)]
        if len(set(short)) == len(runs):
            return short
    return [" ".join(facts.start_parts) for facts in runs]


# -- table


def _rows(runs: Sequence[ComparedRun]) -> Iterator[tuple[str, str, list[Cell]]]:
    """Yield (section, name, cells) of every figure that at least one run has."""
    for figure in FIGURES:
        values = [figure.value(run.facts) for run in runs]
        if any(value is not None for value in values):
            texts = [figure.text(run.facts) for run in runs]
            others = zip(values[1:], texts[1:], strict=True)
            yield (
                figure.section,
                figure.name,
                [Cell(texts[0]), *(_cell(figure, values[0], *other) for other in others)],
            )


def _cell(figure: Figure, first: float | None, value: float | None, text: str) -> Cell:
    if value is None or first is None:
        return Cell(text)
    increase = value - first
    worsening = increase if figure.more_is_worse else -increase
    worse = figure.more_is_worse is not None and worsening > max(
        first * NOTABLE_RATIO, figure.noise
    )
    return Cell(text, _change(value / first) if first else "", worse)


def _change(ratio: float) -> str:
    if abs(ratio - 1) < 0.005:
        return "="
    if ratio >= 10:
        return f"×{ratio:.0f}"
    if ratio >= 2:
        return f"×{ratio:.1f}"
    return f"{(ratio - 1) * 100:+.0f} %".replace("-", "−")


def _fired_alerts(facts: Facts) -> str:
    fired = [
        alert
        for alert in facts.rows("figures.alerts")
        if alert.get("firing_after_seconds") is not None
    ]
    names = dict.fromkeys(
        str(alert.get("name"))
        for alert in sorted(fired, key=lambda alert: alert["firing_after_seconds"])
    )
    return ", ".join(names) or "none" if facts("figures") else units.NOTHING


# -- charts


def _overlay_charts(runs: Sequence[ComparedRun]) -> Iterator[Chart]:
    recorded = [(run, run.recording) for run in runs if run.recording]
    if not recorded:
        return
    step = max(recording.step_seconds for _, recording in recorded)
    longest = max(recording.seconds for _, recording in recorded)
    times = np.arange(int(longest / step) + 1, dtype=np.float32) * np.float32(step)
    canvas = Canvas(times, longest, Marks())
    for panel, name in OVERLAYS:
        unit = panel.content.unit
        drawn = [
            StyledSeries(Line(run.title, _resampled(line, recording, times)), run.color, unit)
            for run, recording in recorded
            for line in recording.lines[panel.name]
            if line.name == name and line.largest is not None
        ]
        if drawn:
            title = f"{panel.content.title.rstrip('?')} – {name}"
            yield Chart(
                title,
                panel.content.description,
                chart_types.line_chart(canvas, drawn, panel.scale),
                drawn,
            )


def _resampled(line: Line, recording: Recording, times: Values) -> Values:
    """Return the nearest values on a common time grid; NaN after the end of the run."""
    nearest = np.round(times / np.float32(recording.step_seconds)).astype(int)
    inside = nearest < len(line.values)
    return np.where(inside, line.values[np.where(inside, nearest, 0)], np.float32(np.nan))
