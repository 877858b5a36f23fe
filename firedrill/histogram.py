"""Arithmetic on cumulative histograms: bucket bound in seconds -> number of requests."""

from __future__ import annotations

import math
from collections.abc import Mapping

Buckets = Mapping[float, float]
"""Cumulative counts by upper bound; the bound +Inf holds the total."""


def total(buckets: Buckets) -> float:
    """Return the number of observations."""
    return buckets.get(math.inf, 0.0)


def quantile(q: float, buckets: Buckets) -> float | None:
    """Return the q-quantile in seconds, None without observations.

    It is linear inside its bucket, as Prometheus's histogram_quantile() is.

    An observation above the last finite bound counts as that bound.
    """
    rank = q * total(buckets)
    below_bound, below = 0.0, 0.0
    for bound in sorted(buckets):
        if buckets[bound] >= rank and total(buckets) > 0:
            inside = buckets[bound] - below
            into = (rank - below) / inside if inside else 1.0
            return below_bound if math.isinf(bound) else below_bound + (bound - below_bound) * into
        below_bound, below = bound, buckets[bound]
    return None


def slowest(buckets: Buckets) -> float:
    """Return the bound of the highest bucket that has an observation; 0 without any."""
    return (
        min((bound for bound in buckets if buckets[bound] >= total(buckets)), default=0.0)
        if total(buckets)
        else 0.0
    )


def share_above(bound: float, buckets: Buckets) -> float | None:
    """Return the share of observations above a bound, None without any.

    It is exact where the bound is one of the histogram's.
    """
    return 1.0 - buckets.get(bound, 0.0) / total(buckets) if total(buckets) else None


def merged(*parts: Buckets) -> dict[float, float]:
    """Return the sum of several histograms."""
    return {
        bound: sum(part.get(bound, 0.0) for part in parts) for bound in sorted(set().union(*parts))
    }
