"""Queries about one trial: its counts by scrape, its figures, the generator's health."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill import histogram, units
from firedrill.capacity.trial import Counts
from firedrill.contract import Client, Server
from firedrill.drill.judge.validity import CPU_LIMIT_RATIO
from firedrill.drill.measure.client_figures import ClientFigures
from firedrill.drill.measure.run_queries import RunQueries
from firedrill.drill.measure.server_figures import server_side
from firedrill.exposition import bucket_labels
from firedrill.record.figures import Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firedrill.contract import Metric
    from firedrill.profile import Profile
    from firedrill.prometheus.client import Prometheus
    from firedrill.record.figures import ClientSide, ServerSide

BEFORE_SECONDS = 4.0
"""A scrape so shortly before a trial shows the counts at its begin, because all was at rest."""

LATE_RATIO = 0.2
"""Lag of the generator's event loop, by the smallest latency objective, that spoils a second."""

LATE_SECONDS_RATIO = 0.3
"""Share of spoilt seconds that a trial may have: the machine may stall now and then."""


@dataclass(frozen=True, slots=True)
class TrialQueries:
    """Queries about trials of one load."""

    prom: Prometheus
    profile: Profile
    began: float
    """Unix time at which the load began."""

    def counts(self, start: float, now: float) -> list[Counts]:
        """Return the counts of each scrape of a trial; times are Unix times."""
        objectives = self.profile.slo.latency_seconds if self.profile.slo else {}
        labels = {name: bucket_labels((limit,))[0] for name, limit in objectives.items()}
        wanted = "|".join([*map(_escaped, labels.values()), _escaped("+Inf")])
        latency, waiting = Client.ALL_FROM_SCHEDULE.name, Client.WAITING_AGE.name
        selector = (
            f'{{__name__=~"{latency}_bucket|{waiting}",le=~"{wanted}"}}',
            f'{{__name__=~"{latency}_sum|{Client.ALL_FAILURES.name}|{Client.UNSENT.name}"}}',
        )
        found: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for one in selector:
            for series in self.prom.raw(one, start - BEFORE_SECONDS, now):
                key = series.labels["__name__"], series.labels.get("le", "")
                found[key] = [*series.points]
        times = [time for time, _ in found.get((waiting, "+Inf"), [])]
        before = max(0, bisect_right(times, start) - 1)

        def at(name: str, time: float, le: str = "") -> float:
            points = found.get((name, le), [])
            place = bisect_right(points, (time, math.inf)) - 1
            return points[place][1] if place >= 0 else 0.0

        def counts_at(time: float) -> Counts:
            answered, all_waiting = (
                at(f"{latency}_bucket", time, "+Inf"),
                at(waiting, time, "+Inf"),
            )
            return Counts(
                seconds=max(0.0, time - start),
                answered=answered,
                response_seconds=at(f"{latency}_sum", time),
                slower={
                    name: answered - at(f"{latency}_bucket", time, le)
                    for name, le in labels.items()
                },
                failed=at(Client.ALL_FAILURES.name, time),
                dropped=at(Client.UNSENT.name, time),
                waiting=all_waiting,
                overdue={name: all_waiting - at(waiting, time, le) for name, le in labels.items()},
            )

        return [counts_at(time) for time in times[before:]]

    def client(self, start: float, end: float) -> ClientSide:
        """Return the client's figures of a span of Unix time."""
        return ClientFigures(self._queries(end), self.profile, knows_think_time=False).measure(
            Window(start, end)
        )

    def server(self, start: float, end: float) -> ServerSide:
        """Return the API's figures of a span of Unix time."""
        return server_side(self._queries(end), Window(start, end))

    def generator_limit(self, start: float, end: float) -> str | None:
        """Return how the load generator reached its limit in a trial; None if it did not."""
        queries, window = self._queries(end), Window(start, end)
        cpu = self.prom.number(
            f"max(avg_over_time({Client.WORKER_CPU.name}[{max(1, round(end - start))}s]))", end
        )
        if cpu is not None and cpu >= CPU_LIMIT_RATIO:
            return f"the load generator used {cpu:.2f} of a core"
        objectives = self.profile.slo.latency_seconds.values() if self.profile.slo else ()
        limit = LATE_RATIO * min(objectives, default=1.0)
        lags = [
            value
            for series in queries.range(f"max({Client.WORKER_LAG_MAX.name})", window)
            for value in series.values()
        ]
        if lags and sum(lag > limit for lag in lags) > LATE_SECONDS_RATIO * len(lags):
            return f"the load generator's event loop was up to {units.latency(max(lags))} late"
        return None

    def gain(self, counter: Metric, start: float, end: float) -> float | None:
        """Return the gain of a counter in a span; None where there is none."""
        gained = self._queries(end).gains(counter.name, window=Window(start, end))
        return sum(gained.values()) if gained else None

    def errors(self, start: float, end: float) -> Mapping[str, float]:
        """Return the failed requests of a span by class of error."""
        gained = self._queries(end).gains(Client.ERRORS.name, "error", Window(start, end))
        return {error: count for error, count in sorted(gained.items()) if count}

    def accepted_p99(self, start: float, end: float) -> float | None:
        """Return the API's own p99 of the requests that it did not answer with 5xx."""
        name = f'{Server.RESPONSE_TIME.name}_bucket{{http_response_status_code!~"5.."}}'
        gained = self._queries(end).gains(name, "le", Window(start, end))
        return histogram.quantile(0.99, {float(le): count for le, count in gained.items()})

    def used(self, start: float, end: float) -> Mapping[str, float]:
        """Return the mean use of each limit of the API in a span, by resource."""
        queries, window = self._queries(end), Window(start, end)
        found: dict[str, float] = {}
        workers = self.prom.number(f"sum({Server.WORKERS_LIMIT.name})", end)
        if workers:
            found["workers"] = queries.gain(Server.BUSY_SECONDS, window) / window.seconds / workers
        cpu = queries.gains('process_cpu_seconds_total{job="api"}', "instance", window)
        if cpu:
            found["cpu"] = max(cpu.values()) / window.seconds
        for resource in ("connections", "backlog", "file_descriptors"):
            most = queries.largest(f'max(api:saturation:ratio{{resource="{resource}"}})', window)
            if most is not None:
                found[resource] = most
        return found

    def handler_mean(self, start: float, end: float) -> float | None:
        """Return the mean time inside the handler in a span of time."""
        queries, window = self._queries(end), Window(start, end)
        name = Server.REQUEST_DURATION.name
        seconds, requests = (
            sum(queries.gains(f"{name}_{part}", "", window).values()) for part in ("sum", "count")
        )
        return seconds / requests if requests else None

    def largest(self, query: str, start: float, end: float) -> float | None:
        """Return the largest value of a query in a span of time."""
        return self._queries(end).largest(query, Window(start, end))

    def values(self, query: str, start: float, end: float) -> Sequence[tuple[float, float]]:
        """Return (Unix time, value) of the only series of a query, at each second of a span."""
        series = self._queries(end).range(query, Window(start, end))
        return series[0].points if series else ()

    def _queries(self, end: float) -> RunQueries:
        # A span of the load never ends with the load: it is measured while that goes on.
        return RunQueries(self.prom, Window(self.began, end + 1.0))


def _escaped(label: str) -> str:
    return label.replace(".", "[.]").replace("+", "[+]")
