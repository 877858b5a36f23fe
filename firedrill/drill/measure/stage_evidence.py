"""The evidence for a diagnosis, read from Prometheus."""

from __future__ import annotations

import math
from statistics import fmean, median
from typing import TYPE_CHECKING

from firedrill import histogram
from firedrill.contract import Client, Server
from firedrill.diagnosis.evidence import Evidence, HandlerWindow, StageSeries
from firedrill.diagnosis.stages import is_saturated
from firedrill.drill.measure import stage_queries
from firedrill.record.diagnosis import ServiceModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firedrill.contract import Metric
    from firedrill.diagnosis.evidence import Points
    from firedrill.drill.measure.run_queries import RunQueries
    from firedrill.profile import Profile
    from firedrill.record.figures import Window
    from firedrill.record.run_document import InjectedFault

QUANTILES = 100
"""Service times that stand for their distribution."""

AFTER_FAULT_SECONDS = 3.0
"""Time after a fault in which windows still look back at it."""


def read(
    queries: RunQueries,
    judged: Window,
    profile: Profile,
    *,
    settings: Mapping[str, int],
    knows_think_time: bool,
    faults: Sequence[InjectedFault] = (),
    cores: float | None = None,
) -> Evidence:
    """Read the evidence of one run.

    Args:
        queries: Queries about the run.
        judged: The run without its warm-up.
        profile: The load profile.
        settings: Settings of the bundled API's server; empty for the user's own.
        knows_think_time: Whether the users think as the profile says.
        faults: Faults whose times say nothing about the handler.
        cores: Cores of the server's machine, where it is known.
    """
    stages = stage_series(queries, is_open=profile.open_loop is not None)
    quiet = _unsaturated(stages)
    cpu = _points(queries, f"sum({Client.WORKER_CPU.name})")
    answered = queries.gain(Client.ALL_REQUESTS)
    processes = queries.largest(stage_queries.PROCESSES)
    workers = stages["workers"].limit if "workers" in stages else None
    quota = queries.largest(f"min({Server.CPU_LIMIT.name})")
    think_seconds = None
    if profile.open_loop is None:
        think_seconds = (
            fmean(profile.think_time_seconds) if knows_think_time else _think(queries, quiet)
        )
    return Evidence(
        profile=profile,
        seconds=queries.window.seconds,
        peak_users=queries.largest(stage_queries.SLOTS) or 0.0,
        stages=stages,
        handler=_handler(queries, stages, faults),
        in_flight=_points(queries, stage_queries.gauge(Client.IN_FLIGHT.name)),
        model=_model(queries, judged, think_seconds, quiet),
        handler_seconds=_mean_seconds(queries, Server.REQUEST_DURATION, judged),
        generator_cpu_seconds=(
            fmean(cpu.values()) * queries.window.seconds / answered if cpu and answered else None
        ),
        processes=round(processes) if processes else None,
        cores=min((value for value in (quota, cores) if value), default=None),
        settings=settings or ({} if workers is None else {"threads": round(workers)}),
    )


def stage_series(queries: RunQueries, *, is_open: bool) -> dict[str, StageSeries]:
    """Return the use of each stage that was measured."""
    used, waiting, limits = (
        _by_stage(queries, stage_queries.together(asked))
        for asked in (stage_queries.USED, stage_queries.WAITING, stage_queries.LIMITS)
    )
    return {
        stage: StageSeries(
            points, waiting.get(stage, {}), max(limits.get(stage, {}).values(), default=None)
        )
        for stage, points in used.items()
        if is_open or stage != "slots"
    }


def _by_stage(queries: RunQueries, query: str) -> dict[str, Points]:
    start = queries.window.start
    return {
        series.labels["stage"]: _numbers(series.points, start) for series in queries.range(query)
    }


def _points(queries: RunQueries, query: str) -> Points:
    found = queries.range(query)
    return _numbers(found[0].points, queries.window.start) if found else {}


def _numbers(points: Sequence[tuple[float, float]], start: float) -> Points:
    return {round(time - start): value for time, value in points if not math.isnan(value)}


def _unsaturated(stages: Mapping[str, StageSeries]) -> frozenset[float]:
    """Return the times at which users ran and no stage was saturated."""
    times = {time for series in stages.values() for time in series.used}
    return frozenset(
        time
        for time in times
        if not any(
            is_saturated(stage, series.used.get(time), series.waiting.get(time))
            for stage, series in stages.items()
        )
    )


def _handler(
    queries: RunQueries, stages: Mapping[str, StageSeries], faults: Sequence[InjectedFault]
) -> list[HandlerWindow]:
    """Return the handler in each window; those that a fault touches say nothing about it."""
    handler = Server.REQUEST_DURATION
    rates = _points(queries, stage_queries.rate(f"{handler.name}_count"))
    means = _points(queries, stage_queries.mean(handler))
    cpu = _points(queries, stage_queries.CPU_USED)
    lag = stages["cpu"].waiting if "cpu" in stages else {}
    start = queries.window.start
    return [
        HandlerWindow(time, rates[time], means[time], cpu.get(time), lag.get(time, 0.0))
        for time in sorted(rates.keys() & means.keys())
        if not any(
            fault.start <= start + time <= fault.end + AFTER_FAULT_SECONDS for fault in faults
        )
    ]


def _model(
    queries: RunQueries, judged: Window, think_seconds: float | None, quiet: frozenset[float]
) -> ServiceModel | None:
    """Return what a request needs; None where the server does not time its requests."""
    buckets = queries.increased_buckets(Server.ALL_REQUEST_DURATION, judged) or (
        queries.increased_buckets(Server.REQUEST_DURATION, judged)
    )
    handler_seconds = _mean_seconds(queries, Server.REQUEST_DURATION, judged)
    requests = queries.gain_of(f"{Server.REQUEST_DURATION.name}_count", judged)
    if handler_seconds is None or not requests:
        return None
    busy = queries.gain_of(Server.BUSY_SECONDS.name, judged)
    cpu = queries.gain_of(stage_queries.CPU_SECONDS, judged)
    beside_handler = max(0.0, busy / requests - handler_seconds) if busy else 0.0
    times = [
        histogram.quantile((index + 0.5) / QUANTILES, buckets) or 0.0 for index in range(QUANTILES)
    ]
    # The quantiles are within 3 %, and the mean is exact.
    factor = handler_seconds / fmean(times) if any(times) else 0.0
    return ServiceModel(
        service_seconds=tuple(round(time * factor + beside_handler, 7) for time in times),
        overhead_seconds=_overhead(queries, quiet),
        think_seconds=think_seconds,
        cpu_seconds=cpu / requests if cpu else None,
    )


def _mean_seconds(queries: RunQueries, metric: Metric, window: Window) -> float | None:
    requests = queries.gain_of(f"{metric.name}_count", window)
    return queries.gain_of(f"{metric.name}_sum", window) / requests if requests else None


def _overhead(queries: RunQueries, quiet: frozenset[float]) -> float:
    """Return the time from the client to the server and back, while nothing was saturated."""
    client = _points(queries, stage_queries.mean(Client.ALL_REQUEST_DURATION))
    server = _points(queries, stage_queries.mean(Server.RESPONSE_TIME))
    beside = [client[time] - server[time] for time in client.keys() & server.keys() & quiet]
    return max(0.0, median(beside)) if beside else 0.0


def _think(queries: RunQueries, quiet: frozenset[float]) -> float | None:
    """Return the mean pause of users between requests, while nothing was saturated.

    It is users / rate - response time (the response time law of interactive systems).
    """
    users = _points(queries, f"sum({Client.USERS.name})")
    rates = _points(queries, stage_queries.rate(Client.ALL_REQUESTS.name))
    times = _points(queries, stage_queries.mean(Client.ALL_REQUEST_DURATION))
    pauses = [
        users[time] / rates[time] - times[time]
        for time in users.keys() & rates.keys() & times.keys() & quiet
        if rates[time]
    ]
    return max(0.0, median(pauses)) if pauses else None
