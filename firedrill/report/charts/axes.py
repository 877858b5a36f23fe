"""Bounds, ticks and number formats of axes. The formats are JavaScript for the browser."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firedrill.report.panels import Scale

TOP_MARGIN, LOGARITHMIC_TOP_MARGIN = 1.06, 1.4
"""End of an axis as a multiple of the largest value."""

NUMBERS = {
    "s": "v >= 10 ? v.toFixed(0) + ' s'"
    " : v >= 1 ? +v.toFixed(1) + ' s'"
    " : +(v * 1000).toPrecision(3) + ' ms'",
    "percentunit": "+(v * 100).toPrecision(3) + ' %'",
    "reqps": "+v.toPrecision(3) + '/s'",
}
PLAIN = "+v.toPrecision(4) + ''"
CLOCK = "Math.floor(Math.round(v) / 60) + ':' + String(Math.round(v) % 60).padStart(2, '0')"
"""JavaScript expressions that format a value `v`: by Grafana's name of the unit, as a plain number,
and as minutes and seconds.
"""


def tick_code(unit: str) -> str:
    """Return the body of a JavaScript function that formats `tick` of an axis."""
    return f"const v = tick; return {NUMBERS.get(unit, PLAIN)}"


def value_code(unit: str) -> str:
    """Return the body of a JavaScript function that formats `value`, which may be NaN."""
    return f"const v = value; return Number.isFinite(v) ? {NUMBERS.get(unit, PLAIN)} : '–'"


def bounds(scale: Scale, smallest: float, largest: float) -> tuple[float, float]:
    """Return both ends of an axis for values in this range."""
    if scale == "log":
        return 10.0 ** math.floor(math.log10(smallest)), max(
            largest, smallest
        ) * LOGARITHMIC_TOP_MARGIN
    if scale == "full":
        return 0.0, max(1.02, largest)
    return 0.0, largest * TOP_MARGIN if largest > 0 else 1.0


def round_ticks(low: float, high: float) -> Iterator[float]:
    """Yield ticks of a logarithmic axis, fewer for each decade if it spans many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    for decade in decades:
        yield from (
            factor * 10.0**decade for factor in ((1, 2, 5) if len(decades) <= 2 else (1, 3))
        )
