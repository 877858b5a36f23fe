"""Statistics of a trial: the end of its warm-up, the interval of a share, a growing queue."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE_Z = 2.576
"""Quantile of the normal distribution for intervals of 99 %, because a trial is judged often."""

TREND_T = 4.0
"""Slope by its standard error, above which a trend is no chance. Seconds that follow each other
resemble each other, so it is larger than Student's t for independent ones."""

FEWEST_POINTS = 5
"""Points that a truncation or a trend needs."""


def warmup_points(values: Sequence[float]) -> int:
    """Return how many of the first values belong to the warm-up.

    It is the number that minimises the marginal standard error of the mean of the others (MSER,
    White 1997), of up to half the values.
    """
    count = len(values)
    if count < FEWEST_POINTS:
        return 0
    errors = [_marginal_error(values[dropped:]) for dropped in range(count // 2 + 1)]
    # The first of equal ones: the errors of constant values differ by rounding alone.
    rounding = 1e-9 * max(errors)
    return next(dropped for dropped, error in enumerate(errors) if error <= min(errors) + rounding)


def _marginal_error(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values) ** 2


def share_interval(parts: Sequence[float], wholes: Sequence[float]) -> tuple[float, float]:
    """Return the 99 % interval of sum(parts) / sum(wholes), each pair of one second.

    It is Wilson's (1927), for the number of independent requests that would vary as much from
    second to second (the design effect, Kish 1965): slow requests come together.
    """
    whole, part = sum(wholes), sum(parts)
    if not whole:
        return 0.0, 1.0
    share = part / whole
    count = whole / _design_effect(parts, wholes, share)
    squared = CONFIDENCE_Z**2
    middle = (share + squared / (2 * count)) / (1 + squared / count)
    margin = (
        CONFIDENCE_Z
        * math.sqrt(share * (1 - share) / count + squared / (4 * count**2))
        / (1 + squared / count)
    )
    return max(0.0, middle - margin), min(1.0, middle + margin)


def _design_effect(parts: Sequence[float], wholes: Sequence[float], share: float) -> float:
    """Return the variance of the share between seconds, by that of independent requests."""
    seconds = len(parts)
    if seconds < 2 or not 0 < share < 1:
        return 1.0
    squares = sum((part - share * whole) ** 2 for part, whole in zip(parts, wholes, strict=True))
    observed = squares * seconds / (seconds - 1)
    return max(1.0, observed / (sum(wholes) * share * (1 - share)))


def significant_slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of a least-squares line; 0 where it might be chance."""
    count = len(times)
    if count < FEWEST_POINTS:
        return 0.0
    mean_time, mean = sum(times) / count, sum(values) / count
    spread = sum((time - mean_time) ** 2 for time in times)
    if not spread:
        return 0.0
    slope = (
        sum((time - mean_time) * (value - mean) for time, value in zip(times, values, strict=True))
        / spread
    )
    residuals = sum(
        (value - mean - slope * (time - mean_time)) ** 2
        for time, value in zip(times, values, strict=True)
    )
    error = math.sqrt(residuals / (count - 2) / spread)
    return slope if abs(slope) > TREND_T * error else 0.0
