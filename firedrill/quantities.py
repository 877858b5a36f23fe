"""Parse quantities of profiles and options (`1m30s`, `5MB/s`, `1%`) into base units.

Durations of rule files are another grammar: see `firedrill.alerts.rules.durations`.
"""

from __future__ import annotations

import re

from firedrill.fault_kinds import FAULT_LONGEST_SECONDS

LONGEST_SECONDS = 1000 * 3600.0
"""Longest duration: run.json, which is written after the run, cannot hold infinity."""

SHORTEST_LATENCY_SECONDS = 1e-4
LONGEST_LATENCY_SECONDS = 600.0
"""The latencies that an objective may name; the contract's histograms cover them."""

_DURATION = re.compile(r"(?:([\d.]+)h)?(?:([\d.]+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")


def parse_seconds(text: object) -> float:
    """Read seconds from `30s`, `1m30s`, `250ms`, `1h`.

    Raises ValueError, whose text is what is expected.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) and text else None
    try:
        hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())  # type: ignore[union-attr]
    except (AttributeError, ValueError):
        raise ValueError("a duration such as 30s, 1m30s or 250ms") from None
    # Division, not multiplication by 0.001: 75ms has to equal the bucket bound 0.075 exactly.
    total = hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
    if total > LONGEST_SECONDS:
        raise ValueError(f"a duration of {LONGEST_SECONDS / 3600:g}h at most")
    return total


def parse_latency_limit(text: object) -> float:
    """Read the seconds of a latency objective, which has to be one that the histograms resolve.

    Raises ValueError, whose text is what is expected.
    """
    seconds = float(f"{parse_seconds(text):.9g}")  # 0.1122ms is 0.0001122 s
    if not SHORTEST_LATENCY_SECONDS <= seconds <= LONGEST_LATENCY_SECONDS:
        raise ValueError(
            f"a latency from {SHORTEST_LATENCY_SECONDS * 1000:g}ms to {LONGEST_LATENCY_SECONDS:g}s"
        )
    return seconds


def parse_range(text: object) -> tuple[float, float]:
    """Read the ends of `0.5s..1s`; a single duration is both.

    Raises ValueError, whose text is what is expected.
    """
    low, _, high = text.partition("..") if isinstance(text, str) else ("", "", "")
    try:
        shortest, longest = parse_seconds(low), parse_seconds(high or low)
    except ValueError:
        raise ValueError("a duration or a range such as 0.5s..1s") from None
    if shortest > longest:
        raise ValueError("a range that begins with the shorter duration")
    return shortest, longest


def parse_ratio(text: object) -> float:
    """Read a ratio from a percentage such as `1%`.

    Raises ValueError, whose text is what is expected.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text) if isinstance(text, str) else None
    if match is None or float(match[1]) > 100:
        raise ValueError("a percentage such as 1%")
    return float(match[1]) / 100


def parse_fault_time(text: object) -> float:
    """Read the seconds that a fault may last.

    Raises ValueError, whose text is what is expected.
    """
    seconds = parse_seconds(text)
    if not 0 < seconds <= FAULT_LONGEST_SECONDS:
        raise ValueError(f"a duration above 0s, {FAULT_LONGEST_SECONDS / 3600:g}h at most")
    return seconds


def parse_growth(text: object) -> float:
    """Read bytes a second from `5MB/s`, `500kB/s`.

    Raises ValueError, whose text is what is expected.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kM])B/s", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("a growth such as 5MB/s or 500kB/s")
    return float(match[1]) * {"k": 1e3, "M": 1e6}[match[2]]


def parse_presence(value: object) -> bool:
    """Return True for true. Raises ValueError for anything else: what is expected."""
    if value is not True:
        raise ValueError("no value but true")
    return True
