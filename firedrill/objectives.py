"""Objectives: their buckets, the slow requests that each accepts, the requests left out of all."""

from __future__ import annotations

import functools
import re
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BOUNDS_VARIABLE = "FIREDRILL_OBJECTIVE_SECONDS"
"""Environment variable with the latency objectives of a run, which become bucket bounds."""


def bounds_text(objectives_seconds: Iterable[float]) -> str:
    """Return the variable's value for these objectives."""
    return ",".join(map(repr, sorted(objectives_seconds)))


def read_bounds(text: str, longest_seconds: float) -> Iterator[float]:
    """Yield the objectives in the variable.

    Text that is none is ignored, because an API that reads it has to start.
    """
    for part in text.split(","):
        with suppress(ValueError):
            if 0 < float(part) <= longest_seconds:
                yield float(part)


def accepted_ratio(quantile: str) -> float:
    """Return the share of requests that may be slower: 0.01 for `p99`, none for `max`."""
    if quantile == "max":
        return 0.0
    return round(100 - float(quantile.removeprefix("p")), 6) / 100


def is_exceeded(quantile: str, slower: float, requests: float = 1.0) -> bool:
    """Return whether more requests are slower than accepted; for a share, leave `requests` out."""
    # Shares are floating point: 1 - 0.99 is a little more than 0.01.
    return slower > (accepted_ratio(quantile) + 1e-9) * requests


def is_excluded(method: str, name: str, patterns: Sequence[str]) -> bool:
    """Return whether a pattern matches the request's name, its type, or `TYPE name`.

    `*` in a pattern stands for any text, and nothing else is special: names have brackets.
    """
    return bool(patterns) and _is_excluded(method, name, tuple(patterns))


@functools.lru_cache(maxsize=4096)
def _is_excluded(method: str, name: str, patterns: tuple[str, ...]) -> bool:
    texts = (name, method, f"{method} {name}")
    return any(_expression(pattern).fullmatch(text) for pattern in patterns for text in texts)


@functools.cache
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
