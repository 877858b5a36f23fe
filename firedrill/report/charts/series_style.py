"""Style of a series: its colour, dashes and unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firedrill import units
from firedrill.report.charts import colors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.report.recorded_series import Line

VALUE_FORMATS = {"s": units.seconds, "percentunit": units.percent, "reqps": units.rate}
"""Functions that format a value, by Grafana's name of its unit; others are plain numbers."""


@dataclass(frozen=True, slots=True)
class StyledSeries:
    """A series of a chart with its style."""

    line: Line
    color: str
    unit: str

    @property
    def name(self) -> str:
        """The name in the legend."""
        return self.line.name

    @property
    def on_second_axis(self) -> bool:
        """Whether it is drawn on a second axis: seconds among series with other units."""
        return self.name.endswith("(seconds)")

    @property
    def dash(self) -> str:
        """The line style; an objective is dashed."""
        return "dashed" if self.name == "SLO" else "solid"

    @property
    def faint(self) -> bool:
        """Whether it is drawn in the background: a median beside its 99th percentile."""
        return "p50" in self.name

    @property
    def legend_value(self) -> str:
        """The value in the legend: the largest one, or the objective."""
        text = VALUE_FORMATS.get(self.unit, units.count)(self.line.largest)
        return text if self.name == "SLO" else f"max {text}"


def styled_lines(lines: Sequence[Line], unit: str) -> list[StyledSeries]:
    """Style series, with the colour of client and server."""
    return [
        StyledSeries(
            line,
            colors.series_color(line.name, at),
            "s" if line.name.endswith("(seconds)") else unit,
        )
        for at, line in enumerate(lines)
    ]


def styled_status_codes(lines: Sequence[Line], unit: str) -> list[StyledSeries]:
    """Style series of status codes, with the colour of their class."""
    return [StyledSeries(line, colors.status_color(line.name), unit) for line in lines]


def largest(series: Sequence[StyledSeries]) -> float:
    """Return the largest value of all series; 0 without any."""
    return max((styled.line.largest or 0.0 for styled in series), default=0.0)


def smallest(series: Sequence[StyledSeries]) -> float:
    """Return the smallest value above zero; 1 without any."""
    positive = [values[values > 0] for values in (styled.line.values for styled in series)]
    return float(min((values.min() for values in positive if np.size(values)), default=1.0))
