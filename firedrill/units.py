"""Format figures for people: seconds, rates, ratios, bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

NOTHING = "–"
"""Shown where there is no figure: not measured, or not measurable."""


def seconds(value: float | None) -> str:
    """Write a time as `69 ms`, `1.4 s`, `24 s`."""
    if value is None:
        return NOTHING
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def at_least(text: str) -> str:
    """Mark a lower bound, `> 24 s`: larger if all waiting requests had been waited for."""
    return f"> {text}"


def latency(value: float | None) -> str:
    """Write a response time with three digits: `7.84 ms`, `307 ms`, `1.25 s`."""
    return NOTHING if value is None else " ".join(_latency(value))


def together(values: Sequence[float | None], lower_bounds: Collection[int] = ()) -> str:
    """Write several response times: `57 / 96 / 125 ms`, or `590 / 776 ms / >53 s`.

    `lower_bounds` are indexes of `values`.
    """
    parts = [(NOTHING, "") if value is None else _latency(value) for value in values]
    units = [unit for _, unit in parts if unit]
    if not units:
        return NOTHING
    texts = []
    for at, (number, unit) in enumerate(parts):
        following = next((later for _, later in parts[at + 1 :] if later), "")
        shown = f" {unit}" if unit and unit != following else ""
        texts.append(f"{'>' if at in lower_bounds else ''}{number}{shown}")
    return " / ".join(texts)


def _latency(seconds: float) -> tuple[str, str]:
    """Return number and unit."""
    number, unit = (seconds * 1000, "ms") if seconds < 0.9995 else (seconds, "s")
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}", unit


def rate(value: float | None) -> str:
    """Write requests a second, `73.1/s`."""
    return NOTHING if value is None else f"{value:.1f}/s"


def percent(ratio: float | None) -> str:
    """Write 0.003 as `0.3 %`, with more digits where it is small, so that it never reads as 0."""
    if ratio is None:
        return NOTHING
    hundredths = ratio * 100
    if hundredths >= 10 or hundredths == 0:
        return f"{hundredths:.0f} %"
    return f"{hundredths:.1f} %" if hundredths >= 0.1 else f"{hundredths:.2g} %"


def count(value: float | None) -> str:
    """Write a whole number."""
    return NOTHING if value is None else f"{value:.0f}"


def counted(number: int, noun: str) -> str:
    """Write `1 error`, `2 errors`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def size(value: float) -> str:
    """Write bytes, `456 kB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError
