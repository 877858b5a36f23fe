"""Figures of each endpoint, as the load generator counted them."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from firedrill import histogram
from firedrill.contract import REQUEST_LABELS, Client, format_bound
from firedrill.histogram import QUANTILES
from firedrill.objectives import is_excluded
from firedrill.record.figures import EndpointFigures, Window
from firedrill.record.limits import TAIL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firedrill.drill.measure.run_queries import RunQueries
    from firedrill.histogram import Buckets
    from firedrill.profile import Objectives, Profile
    from firedrill.record.figures import Latency

Endpoint = tuple[str, ...]
"""Method and name."""


def measure(queries: RunQueries, profile: Profile, window: Window) -> tuple[EndpointFigures, ...]:
    """Measure each endpoint in a window that ends with the run."""
    requests = queries.gains_by(Client.REQUESTS.name, REQUEST_LABELS, window)
    failures = queries.gains_by(Client.FAILURES.name, REQUEST_LABELS, window)
    latency = _latency(queries)
    slower = _slower(queries, profile, window)
    return tuple(
        EndpointFigures(
            method=method,
            name=name,
            requests=requests[method, name],
            rate=requests[method, name] / window.seconds if window.seconds else None,
            failures=failures.get((method, name), 0.0),
            latency_seconds=latency.get((method, name), {}),
            slower_than_slo=slower.get((method, name), {}),
            is_excluded=is_excluded(method, name, profile.exclude),
        )
        for method, name in sorted(requests, key=lambda endpoint: -requests[endpoint])
        if requests[method, name]
    )


def _latency(queries: RunQueries) -> Mapping[Endpoint, Latency]:
    """Return what the generator reported at the end of the load, of this load alone."""
    latency: dict[Endpoint, dict[str, float | None]] = {}
    run = queries.window
    for series in queries.prom.raw(Client.ENDPOINT_LATENCY.name, run.end, run.end + TAIL_SECONDS):
        endpoint = tuple(series.labels.get(label, "") for label in REQUEST_LABELS)
        found = latency.setdefault(endpoint, dict.fromkeys((*QUANTILES, "mean", "max")))
        found[series.labels["statistic"]] = series.points[-1][1]
    return latency


def _slower(
    queries: RunQueries, profile: Profile, window: Window
) -> dict[Endpoint, dict[str, float | None]]:
    """Return the share of slow requests by latency objective, of endpoints that have any."""
    slo = profile.slo
    if slo is None or not slo.endpoints:
        return {}
    bounds = "|".join(map(format_bound, (*sorted(profile.objective_seconds()), inf)))
    selector = f'{Client.REQUEST_DURATION.name}_bucket{{le=~"{bounds.replace("+", ".")}"}}'
    buckets: dict[Endpoint, dict[float, float]] = {}
    for (*endpoint, le), count in queries.gains_by(
        selector, (*REQUEST_LABELS, "le"), window
    ).items():
        buckets.setdefault(tuple(endpoint), {})[float(le)] = count
    return {
        endpoint: _shares(objectives, found)
        for endpoint, found in buckets.items()
        if (objectives := slo.objectives_of(*endpoint))
    }


def _shares(objectives: Objectives, buckets: Buckets) -> dict[str, float | None]:
    return {
        name: histogram.share_above(bound, buckets)
        for name, bound in objectives.latency_seconds.items()
    }
