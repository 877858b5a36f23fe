"""Where an axis begins and ends, and how its marks are written. Pure; the formats are JavaScript, which is what draws them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Scale = Literal["linear", "log", "full"]
"""`full`: from 0 to 100 %, whatever the values are. `log`: a request of 50 ms and one of 50 s are seen together."""

AIR, LOGARITHMIC_AIR = 1.06, 1.4
"""So much of the largest value is the height of a chart."""

NUMBERS = {
    "s": "v >= 10 ? v.toFixed(0) + ' s' : v >= 1 ? +v.toFixed(1) + ' s' : +(v * 1000).toPrecision(3) + ' ms'",
    "percentunit": "+(v * 100).toPrecision(3) + ' %'",
    "reqps": "+v.toPrecision(3) + '/s'",
}
PLAIN = "+v.toPrecision(4) + ''"
CLOCK = "Math.floor(Math.round(v) / 60) + ':' + String(Math.round(v) % 60).padStart(2, '0')"
"""Expressions that write a value `v`: by Grafana's name of its unit, as a number, and as minutes and seconds."""


def tick_code(unit: str) -> str:
    """Body of a function that writes the mark `tick` of an axis."""
    return f"const v = tick; return {NUMBERS.get(unit, PLAIN)}"


def value_code(unit: str) -> str:
    """Body of a function that writes `value`, which may be none."""
    return f"const v = value; return Number.isFinite(v) ? {NUMBERS.get(unit, PLAIN)} : '–'"


def bounds(scale: Scale, smallest: float, largest: float) -> tuple[float, float]:
    """Both ends of an axis for values between these."""
    if scale == "log":
        return 10.0 ** math.floor(math.log10(smallest)), max(largest, smallest) * LOGARITHMIC_AIR
    if scale == "full":
        return 0.0, max(1.02, largest)
    return 0.0, largest * AIR if largest > 0 else 1.0


def round_numbers(low: float, high: float) -> Iterator[float]:
    """Marks of a logarithmic axis, fewer where it spans more."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    for decade in decades:
        yield from (
            factor * 10.0**decade for factor in ((1, 2, 5) if len(decades) <= 2 else (1, 3))
        )
