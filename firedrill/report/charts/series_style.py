"""How a series is drawn and written: its colour, its dashes, its unit. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firedrill import units
from firedrill.report.charts import colors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.report.recorded_series import Line

WRITTEN = {"s": units.seconds, "percentunit": units.percent, "reqps": units.rate}
"""How a value is written, by Grafana's name of its unit; others are plain numbers."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """One series of a chart."""

    line: Line
    color: str
    unit: str

    @property
    def name(self) -> str:
        """As in the legend."""
        return self.line.name

    @property
    def aside(self) -> bool:
        """Whether it is in seconds among series that are not, on an axis of its own."""
        return self.name.endswith("(seconds)")

    @property
    def dash(self) -> str:
        """An objective is dashed."""
        return "dashed" if self.name == "SLO" else "solid"

    @property
    def faint(self) -> bool:
        """Whether it stands behind the others: a median beside its 99th percentile."""
        return "p50" in self.name

    @property
    def most(self) -> str:
        """Its largest value, written."""
        text = WRITTEN.get(self.unit, units.count)(self.line.largest)
        return text if self.name == "SLO" else f"max {text}"


def of_lines(lines: Sequence[Line], unit: str) -> list[Stroke]:
    """Each side in the colour that it has on every chart."""
    return [
        Stroke(
            line, colors.of_series(line.name, at), "s" if line.name.endswith("(seconds)") else unit
        )
        for at, line in enumerate(lines)
    ]


def of_statuses(lines: Sequence[Line], unit: str) -> list[Stroke]:
    """Each class of status codes in its colour."""
    return [Stroke(line, colors.of_status(line.name), unit) for line in lines]


def largest(strokes: Sequence[Stroke]) -> float:
    """The largest value of all; 0 without any."""
    return max((stroke.line.largest or 0.0 for stroke in strokes), default=0.0)


def smallest(strokes: Sequence[Stroke]) -> float:
    """The smallest value above zero; 1 without any."""
    positive = [values[values > 0] for values in (stroke.line.values for stroke in strokes)]
    return float(min((values.min() for values in positive if np.size(values)), default=1.0))
