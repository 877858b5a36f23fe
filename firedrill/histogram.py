"""Arithmetic on cumulative histograms: bucket bound in seconds -> number of requests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Statistics = Mapping[str, float | None]
"""Seconds by name of a percentile, `mean` and `max`."""

NARROW_RATIO = 1.061
"""Largest ratio of the bounds of a bucket whose middle stands for all observations in it."""

Buckets = Mapping[float, float]
"""Cumulative counts by upper bound; the bound +Inf holds the total."""


def total(buckets: Buckets) -> float:
    """Return the number of observations."""
    return buckets.get(math.inf, 0.0)


QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
"""Percentiles of every latency in run.json and in the report."""

FEWEST_REQUESTS = {"p99.9": 1000}
"""Requests that a percentile needs; of fewer, the one request above it would be left to chance."""


def statistics(buckets: Buckets) -> Statistics:
    """Return the percentiles, the `mean` and the `max`.

    A percentile that needs more requests is None.
    """
    count = total(buckets)
    percentiles = {
        name: quantile(q, buckets) if count >= FEWEST_REQUESTS.get(name, 0) else None
        for name, q in QUANTILES.items()
    }
    return {**percentiles, "mean": mean(buckets), "max": maximum(buckets)}


def with_mean(found: Statistics, seconds: float, buckets: Buckets) -> Statistics:
    """Return the statistics with the mean of an exact sum; no maximum is below it."""
    longest = found["max"]
    if longest is None:
        return found
    average = seconds / total(buckets)
    return {**found, "mean": average, "max": max(longest, average)}


def quantile(q: float, buckets: Buckets) -> float | None:
    """Return the q-quantile in seconds, None without observations.

    In a narrow bucket it is the geometric middle, which is within 3 % of every observation in it.
    In a wide one, such as those of other services, it is interpolated linearly, as Prometheus's
    histogram_quantile() does. An observation above the last finite bound counts as that bound.
    """
    rank = q * total(buckets)
    for lower, upper, below, up_to in _spans(buckets):
        if up_to >= rank - 1e-9:  # 0.95 x 60 is not quite 57
            into = max(0.0, rank - below) / (up_to - below)
            return _estimate(lower, upper, into)
    return None


def maximum(buckets: Buckets) -> float | None:
    """Return the largest observation, as the quantiles estimate it; None without any."""
    highest = max(_spans(buckets), default=None)
    return highest and _estimate(highest[0], highest[1], 1.0)


def mean(buckets: Buckets) -> float | None:
    """Return the mean, with each observation at the middle of its bucket; None without any."""
    seconds = sum(
        _estimate(lower, upper, 0.5) * (up_to - below)
        for lower, upper, below, up_to in _spans(buckets)
    )
    return seconds / total(buckets) if total(buckets) else None


def standard_errors(buckets: Buckets) -> dict[str, float | None]:
    """Return the standard error of each statistic but `max`, for independent observations.

    That of a percentile is half its interval between the ranks one standard error below and above
    (Woodruff 1952).
    """
    count, average = total(buckets), mean(buckets)
    if average is None:
        return {}
    squares = sum(
        (_estimate(lower, upper, 0.5) - average) ** 2 * (up_to - below)
        for lower, upper, below, up_to in _spans(buckets)
    )
    errors: dict[str, float | None] = {"mean": math.sqrt(squares) / count}
    for name, q in QUANTILES.items():
        margin = math.sqrt(q * (1 - q) / count)
        low, high = quantile(max(0.0, q - margin), buckets), quantile(min(1.0, q + margin), buckets)
        errors[name] = None if low is None or high is None else (high - low) / 2
    return errors


def _spans(buckets: Buckets) -> Iterator[tuple[float, float, float, float]]:
    """Yield (lower bound, upper bound, count below, count up to) of each bucket that has any."""
    lower, below = 0.0, 0.0
    for upper in sorted(buckets):
        if buckets[upper] > below:
            yield lower, upper, below, buckets[upper]
            below = buckets[upper]
        lower = upper


def _estimate(lower: float, upper: float, into: float) -> float:
    if math.isinf(upper):
        return lower
    if 0 < upper <= NARROW_RATIO * lower:
        return math.sqrt(lower * upper)
    return lower + (upper - lower) * into


def slowest(buckets: Buckets) -> float:
    """Return the bound of the highest bucket that has an observation; 0 without any."""
    return max((upper for _, upper, _, _ in _spans(buckets)), default=0.0)


def count_within(seconds: float, buckets: Buckets) -> float:
    """Return how many observations are up to so long.

    It is exact where that is one of the bounds, as an objective of the run is. Else it is
    interpolated.
    """
    counted = 0.0
    for lower, upper, below, up_to in _spans(buckets):
        if upper <= seconds:
            counted = up_to
        elif lower < seconds and not math.isinf(upper):
            counted = below + (up_to - below) * (seconds - lower) / (upper - lower)
    return counted


def share_above(seconds: float, buckets: Buckets) -> float | None:
    """Return the share of observations above so many seconds, None without any."""
    count = total(buckets)
    return 1.0 - count_within(seconds, buckets) / count if count else None


def merged(*parts: Buckets) -> dict[float, float]:
    """Return the sum of several histograms."""
    return {
        bound: sum(part.get(bound, 0.0) for part in parts) for bound in sorted(set().union(*parts))
    }
