"""From Locust's response times in milliseconds to the contract's buckets."""

from __future__ import annotations

import math
from bisect import bisect_left

from firedrill.contract import LATENCY_BOUNDS_SECONDS

_BOUNDS_MILLISECONDS = tuple(bound * 1000 for bound in LATENCY_BOUNDS_SECONDS)


def round_up(milliseconds: float) -> float:
    """Smallest key not below the response time: steps of 0.1 ms up to 10 ms, then Locust's own two digits.

    Every bucket bound is itself a key, so a time lies within a bound exactly if its key does. Locust's own rounding to the nearest key
    moves 5.4 ms into the bucket that ends at 5 ms.
    """
    if milliseconds <= 10:
        return math.ceil(milliseconds * 10) / 10
    step = (
        1
        if milliseconds <= 100
        else 10
        if milliseconds <= 1000
        else 100
        if milliseconds <= 10_000
        else 1000
    )
    return math.ceil(milliseconds / step) * step


class BucketIndex(dict[float, int]):
    """Index of the bucket of a key in milliseconds, remembered: a histogram has few distinct keys. The last index is +Inf's."""

    def __missing__(self, milliseconds: float) -> int:
        index = self[milliseconds] = bisect_left(_BOUNDS_MILLISECONDS, milliseconds)
        return index
