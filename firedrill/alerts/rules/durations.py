"""Prometheus durations (`1h30m`, `250ms`), in whole milliseconds, Prometheus's own resolution.

This is another grammar than that of profiles and options (`firedrill.quantities`). Prometheus
takes whole numbers only and knows days, weeks and years; a profile takes fractions (`0.5s`), no
unit above hours, and has an upper limit. One parser for both would accept what Prometheus refuses.
"""

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


def parse_ms(text: str) -> int:
    """Return the length of a duration in milliseconds; raise BadInput for other text but `0`."""
    if not re.fullmatch(rf"{PATTERN}|0", text):
        raise BadInput(f"{text} is no duration; expected one such as 1h30m, 15s or 250ms")
    return sum(
        int(count) * _MILLISECONDS[unit]
        for count, unit in re.findall(r"([0-9]+)(ms|[smhdwy])", text)
    )


def format_ms(length_ms: int) -> str:
    """Write milliseconds as a duration: whole seconds, else milliseconds (there is no `1.5s`)."""
    return f"{length_ms}ms" if length_ms % 1000 else f"{length_ms // 1000}s"
