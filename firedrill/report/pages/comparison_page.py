"""The page of several runs: verdicts side by side, their differences in a table, their series laid over each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firedrill import names, units
from firedrill.record.played_load import played_load
from firedrill.report.charts import chart_types, colors, panels
from firedrill.report.charts.canvas import Canvas, Marks
from firedrill.report.charts.chart_types import Chart
from firedrill.report.charts.series_style import Stroke
from firedrill.report.pages import sentences
from firedrill.report.pages.render import data_of, render
from firedrill.report.recorded_series import Line
from firedrill.report.run_facts import FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firedrill.report.recorded_series import Recording, Values
    from firedrill.report.run_facts import Facts, Figure

NOTEWORTHY = 0.1
"""A difference of so much, and to the worse, is marked."""

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
"""A panel and one of its series: drawn with a line for each run."""


@dataclass(frozen=True, slots=True)
class Side:
    """One run of the comparison; without a recording it has no lines."""

    letter: str
    name: str
    """What sets it apart from the others."""
    color: str
    facts: Facts
    recording: Recording | None

    @property
    def title(self) -> str:
        """What it is called in legends."""
        return f"{self.letter}: {self.name}"

    @property
    def warnings(self) -> list[str]:
        """What a reader has to know before its figures."""
        return sentences.warnings(self.facts, self.recording)


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure, and how it relates to the first run's."""

    text: str
    ratio: str = ""
    worse: bool = False


def of_runs(sides: Sequence[Side]) -> str:
    """The page as HTML."""
    profiles = list(dict.fromkeys(side.facts.profile for side in sides))
    return render(
        "comparison.html",
        charts=list(_overlaid(sides)),
        title=f"{sentences.joined(profiles)}: {len(sides)} runs side by side",
        sides=sides,
        different=len({played_load(side.facts.document.profile) for side in sides}) > 1,
        rows=list(_rows(sides)),
        exhausted=[sentences.exhausted(side.facts) for side in sides],
        alerts=[_fired(side.facts) for side in sides],
        data=data_of(
            [side.recording for side in sides if side.recording],
            [side.facts.content for side in sides],
        ),
    )


def sided(runs: Sequence[tuple[Facts, Recording | None]]) -> list[Side]:
    """Runs with a letter, a name and a colour each, in the order in which they were given."""
    named = zip(_names([facts for facts, _ in runs]), runs, strict=True)
    return [
        Side(chr(ord("A") + at), name, colors.CYCLE[at], *run)
        for at, (name, run) in enumerate(named)
    ]


def _names(runs: Sequence[Facts]) -> list[str]:
    """By their servers; by when they began where these are not all different."""
    for parts in ([facts.server.split(", ") for facts in runs], [facts.began for facts in runs]):
        short = [", ".join(each) for each in names.distinguishing(parts)]
        if len(set(short)) == len(runs):
            return short
    return [" ".join(facts.began) for facts in runs]


# -- table


def _rows(sides: Sequence[Side]) -> Iterator[tuple[str, str, list[Cell]]]:
    """(section, name, cells) of every figure that at least one run has."""
    for figure in FIGURES:
        values = [figure.of(side.facts) for side in sides]
        if any(value is not None for value in values):
            texts = [figure.text(side.facts) for side in sides]
            others = zip(values[1:], texts[1:], strict=True)
            yield (
                figure.section,
                figure.name,
                [Cell(texts[0]), *(_cell(figure, values[0], *other) for other in others)],
            )


def _cell(figure: Figure, first: float | None, value: float | None, text: str) -> Cell:
    if value is None or first is None:
        return Cell(text)
    lost = {True: value - first, False: first - value, None: 0.0}[figure.more_is_worse]
    worse = lost > max(first * NOTEWORTHY, figure.noise)
    return Cell(text, _times(value / first) if first else "", worse)


def _times(ratio: float) -> str:
    if abs(ratio - 1) < 0.005:
        return "="
    return (
        f"×{ratio:.0f}"
        if ratio >= 10
        else f"×{ratio:.1f}"
        if ratio >= 2
        else f"{(ratio - 1) * 100:+.0f} %".replace("-", "−")
    )


def _fired(facts: Facts) -> str:
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


def _overlaid(sides: Sequence[Side]) -> Iterator[Chart]:
    recorded = [(side, side.recording) for side in sides if side.recording]
    if not recorded:
        return
    step = max(recording.step_seconds for _, recording in recorded)
    longest = max(recording.seconds for _, recording in recorded)
    times = np.arange(int(longest / step) + 1, dtype=np.float32) * np.float32(step)
    canvas = Canvas(times, longest, Marks())
    for panel, name in OVERLAYS:
        unit = panel.content.unit
        drawn = [
            Stroke(Line(side.title, _resampled(line, recording, times)), side.color, unit)
            for side, recording in recorded
            for line in recording.lines[panel.name]
            if line.name == name and line.largest is not None
        ]
        if drawn:
            title = f"{panel.content.title.rstrip('?')} – {name}"
            yield Chart(
                title,
                panel.content.description,
                chart_types.lines(canvas, drawn, panel.scale),
                drawn,
            )


def _resampled(line: Line, recording: Recording, times: Values) -> Values:
    """The values on a common grid, the nearest moment's each; none beyond the run's end."""
    nearest = np.round(times / np.float32(recording.step_seconds)).astype(int)
    inside = nearest < len(line.values)
    return np.where(inside, line.values[np.where(inside, nearest, 0)], np.float32(np.nan))
