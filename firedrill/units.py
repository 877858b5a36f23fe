"""Figures as people read them: seconds, rates, ratios, bytes. A leaf, and pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

NOTHING = "–"
"""Shown where there is no figure: not measured, or not measurable."""


def seconds(value: float | None) -> str:
    """`69 ms`, `1.4 s`, `24 s`."""
    if value is None:
        return NOTHING
    return (
        f"{value * 1000:.0f} ms"
        if value < 1
        else f"{value:.1f} s"
        if value < 10
        else f"{value:.0f} s"
    )


def at_least(text: str) -> str:
    """`> 24 s`: a figure that would be larger if those that wait had been waited for."""
    return f"> {text}"


def together(values: Sequence[float | None], lower_bounds: Collection[int] = ()) -> str:
    """Several times in the unit of the longest: `57 / 96 / 125 ms`, `0.59 / 0.92 / >50 s`; `lower_bounds` are places in `values`."""
    longest = max((value for value in values if value is not None), default=None)
    if longest is None:
        return NOTHING
    factor, unit = (1000, "ms") if longest < 1 else (1, "s")
    texts = [NOTHING if value is None else _short(value * factor) for value in values]
    return f"{' / '.join(f'>{text}' if at in lower_bounds else text for at, text in enumerate(texts))} {unit}"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def rate(value: float | None) -> str:
    """Requests a second, `73.1/s`."""
    return NOTHING if value is None else f"{value:.1f}/s"


def percent(ratio: float | None) -> str:
    """`0.3 %` for 0.003; more digits where it is small, so that little is never shown as nothing."""
    if ratio is None:
        return NOTHING
    hundredths = ratio * 100
    return (
        f"{hundredths:.0f} %"
        if hundredths >= 10 or hundredths == 0
        else f"{hundredths:.1f} %"
        if hundredths >= 0.1
        else f"{hundredths:.2g} %"
    )


def count(value: float | None) -> str:
    """A whole number."""
    return NOTHING if value is None else f"{value:.0f}"


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def size(value: float) -> str:
    """Bytes, `456 kB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError
