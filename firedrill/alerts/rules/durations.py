"""Durations as Prometheus writes them (`1h30m`, `250ms`), in milliseconds, its own resolution. A leaf."""

from __future__ import annotations

import re

from firedrill.errors import BadInput

_MILLISECONDS = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_536_000_000,
}
PATTERN = r"(?:[0-9]+(?:ms|[smhdwy]))+"
"""A duration as a regular expression."""


def milliseconds(text: str) -> int:
    """Length of `text`; BadInput unless it is a duration or `0`."""
    if not re.fullmatch(rf"{PATTERN}|0", text):
        raise BadInput(f"{text} is no duration; expected one such as 1h30m, 15s or 250ms")
    return sum(
        int(count) * _MILLISECONDS[unit]
        for count, unit in re.findall(r"([0-9]+)(ms|[smhdwy])", text)
    )


def spelled(length_ms: int) -> str:
    """`length_ms` as a duration: whole seconds, or else milliseconds (Prometheus knows no `1.5s`)."""
    return f"{length_ms}ms" if length_ms % 1000 else f"{length_ms // 1000}s"
