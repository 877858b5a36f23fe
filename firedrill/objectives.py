"""The share of slow requests that a latency objective accepts."""

from __future__ import annotations


def accepted_ratio(quantile: str) -> float:
    """Return the share of requests that may be slower than the objective: 0.01 for `p99`."""
    return (100 - int(quantile.removeprefix("p"))) / 100


def is_exceeded(quantile: str, slower: float, requests: float = 1.0) -> bool:
    """Return whether more requests are slower than accepted; for a share, leave `requests` out."""
    # Shares are floating point: 1 - 0.99 is a little more than 0.01.
    return slower > (accepted_ratio(quantile) + 1e-9) * requests
