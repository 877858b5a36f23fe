"""Limits and windows that measuring, judging and reporting a run share."""

from __future__ import annotations

from math import inf

SCHEMA = 2
"""Version of run.json that this Firedrill writes."""

TAIL_SECONDS = 15.0
"""How long after the end of the load the last figures may still arrive."""

STALL_SECONDS = 3.0
"""A condition broken for a shorter time voids no run: a busy machine may stall once."""

BLIND_LIMIT_SECONDS = 5.0
"""Longest time without a scrape of the load generator in a valid run, however long the run is."""

BLIND_RATIO = 0.1
"""Share of a run that may pass without a scrape, if it is over `STALL_SECONDS`."""

LATENCY_FLOOR_SECONDS = 0.005
"""Two latencies that differ by less are equal: the generator's own timing is no better."""

ERROR_FLOOR_RATIO = 0.001
"""Two error ratios that differ by less are equal: the difference is a handful of requests."""


def blind_limit(seconds: float | None) -> float:
    """Return the longest time without a scrape in a valid run of this length (None: unknown)."""
    length = inf if seconds is None else seconds
    return min(BLIND_LIMIT_SECONDS, max(STALL_SECONDS, BLIND_RATIO * length))
