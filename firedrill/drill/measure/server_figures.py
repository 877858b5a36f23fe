"""Figures of the API's side: latency, queue wait, errors, and the use of its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.contract import Server
from firedrill.drill.measure.run_queries import ratio
from firedrill.histogram import statistics
from firedrill.record.figures import Saturation, ServerSide

if TYPE_CHECKING:
    from firedrill.contract import Metric
    from firedrill.drill.measure.run_queries import RunQueries
    from firedrill.record.diagnosis import Diagnosis
    from firedrill.record.figures import Latency, Window

OF_CLIENT = frozenset({"generator", "slots"})
"""Stages that are no part of the API."""


def server_side(queries: RunQueries, window: Window) -> ServerSide:
    """Measure the API in a window of the run."""
    total = Server.RESPONSE_TIME
    # Other services that follow OpenTelemetry's conventions have the handler's time alone.
    if queries.rate(f"{total.name}_count", window) is None:
        total = Server.REQUEST_DURATION

    def latency_of(*families: Metric) -> Latency:
        """Return the latency in the first family that has any buckets."""
        found = (queries.increased_buckets(metric, window) for metric in families)
        return statistics(next(filter(None, found), {}))

    failed_selector = f'{total.name}_count{{http_response_status_code=~"5.."}}'
    rate = queries.rate(f"{total.name}_count", window)
    failed = queries.rate(failed_selector, window) or 0.0
    return ServerSide(
        latency_seconds=latency_of(Server.ALL_RESPONSE_TIME, total),
        handler_latency_seconds=latency_of(Server.ALL_REQUEST_DURATION, Server.REQUEST_DURATION),
        queue_wait_seconds=latency_of(Server.QUEUE_WAIT),
        rate=rate,
        error_ratio=ratio(failed, rate),
    )


def saturation(queries: RunQueries, diagnosis: Diagnosis | None) -> Saturation:
    """Return the use of each limit over the whole run, and the first stage that was saturated."""
    used = queries.range("max by (resource) (min_over_time(api:saturation:ratio[3s]))")
    largest = {series.labels["resource"]: max(series.values(), default=0.0) for series in used}
    saturated_after = {
        use.stage: use.saturated_after_seconds
        for use in (diagnosis.stages if diagnosis else ())
        if use.saturated_after_seconds is not None and use.stage not in OF_CLIENT
    }
    first = min(saturated_after, key=lambda name: saturated_after[name], default=None)
    return Saturation(
        largest_ratio=largest,
        ran_out_first=first,
        ran_out_after_seconds=saturated_after[first] if first else None,
        nearest=max(largest, key=lambda name: largest[name], default=None),
    )
