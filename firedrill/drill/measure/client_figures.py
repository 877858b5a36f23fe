"""Figures of the client's side: latency with and without the waiting, rates, errors."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING

from firedrill import histogram
from firedrill.contract import Client, Server
from firedrill.drill.measure.run_queries import ratio, span
from firedrill.histogram import QUANTILES, statistics
from firedrill.record.figures import ClientSide, Window
from firedrill.record.limits import TAIL_SECONDS

if TYPE_CHECKING:
    from firedrill.contract import Metric
    from firedrill.drill.measure.run_queries import RunQueries
    from firedrill.histogram import Buckets
    from firedrill.profile import Profile, Slo
    from firedrill.record.figures import Latency

HUNG_SECONDS = 1.0
"""A request that waited for longer may have hung; a bucket bound, as the exporter's default."""

NOTEWORTHY = 1.1
"""A percentile that the waiting can raise by less than this factor is no lower bound."""

MANY_RATIO = 0.05
"""Fewer waiting requests than this share, all younger than a percentile, do not mark it."""


@dataclass(frozen=True, slots=True)
class ClientFigures:
    """Measures the client's side of one run."""

    queries: RunQueries
    profile: Profile
    knows_think_time: bool
    """Whether the users are the bundled ones, so that the rate they offer is known."""

    def measure(self, window: Window) -> ClientSide:
        """Measure a window of the run.

        Answers that arrive after the load's end belong to it: they may be the slowest of all.
        """
        queries = self.queries
        answered = queries.gained_buckets(Client.ALL_REQUEST_DURATION, window)
        abandoned = queries.gained_buckets(Client.ABANDONED_AGE, window)
        from_schedule = self._from_schedule(window)
        dropped = queries.gained_buckets(Client.UNSENT_AGE, window)
        backlog = queries.gained_buckets(Client.LEFT_AGE, window)
        known = from_schedule or answered
        in_flight = self._waiting_ages(window)
        waiting = histogram.merged(abandoned, backlog, in_flight)
        including = histogram.merged(known, waiting, dropped)
        # Dropped arrivals would not have been answered later, so they count as slow for ever.
        judged = histogram.merged(known, waiting, {inf: queries.gain(Client.UNSENT, window)})
        failures = queries.gain(Client.ALL_FAILURES, window)
        requests = queries.gain(Client.ALL_REQUESTS, window)
        hung = hung_requests(self.profile.slo, known, abandoned)
        slo = self.profile.slo
        return ClientSide(
            latency_seconds=self._statistics(answered, {}, window, Client.ALL_REQUEST_DURATION),
            latency_including_waiting_seconds=self._statistics(
                including,
                in_flight,
                window,
                Client.ALL_FROM_SCHEDULE if from_schedule else Client.ALL_REQUEST_DURATION,
                Client.ABANDONED_AGE,
                Client.UNSENT_AGE,
                Client.LEFT_AGE,
            ),
            standard_error_seconds=histogram.standard_errors(including),
            slower_than_slo={
                name: histogram.share_above(bound, judged)
                for name, bound in (slo.latency_seconds if slo else {}).items()
            },
            rate=queries.counted_rate(Client.ALL_REQUESTS, window),
            offered_rate=self._offered_rate(window),
            error_ratio=ratio(failures + hung, requests + hung),
            latency_from_schedule_seconds=statistics(from_schedule) if from_schedule else None,
            at_least=lower_bounds(known, including),
        )

    def _statistics(
        self, buckets: Buckets, waiting: Buckets, window: Window, *summed: Metric
    ) -> Latency:
        """Return the statistics, the mean from the sums of these histograms.

        What waits has no sum: it counts with the middle of its bucket.
        """
        sums = (self.queries.gains(f"{metric.name}_sum", "", window) for metric in summed)
        seconds = sum(sum(gained.values()) for gained in sums)
        seconds += (histogram.mean(waiting) or 0.0) * histogram.total(waiting)
        return histogram.with_mean(statistics(buckets), seconds, buckets)

    def hung(self, window: Window) -> float:
        """Return the hung requests that the share of errors counts as failed."""
        answered = self._from_schedule(window) or self.queries.gained_buckets(
            Client.ALL_REQUEST_DURATION, window
        )
        abandoned = self.queries.gained_buckets(Client.ABANDONED_AGE, window)
        return hung_requests(self.profile.slo, answered, abandoned)

    def _from_schedule(self, window: Window) -> Buckets:
        if self.profile.open_loop is None:
            return {}
        return self.queries.gained_buckets(Client.ALL_FROM_SCHEDULE, window)

    def _waiting_ages(self, window: Window) -> Buckets:
        """Return ages of all that waits at a window's end, in an open workload since it was due.

        After an orderly stop there are none. A request that waits from one step into the next
        counts as slow in both.
        """
        until = window
        if self.queries.ends_with_run(window):
            run = self.queries.window
            until = Window(run.start, run.end + TAIL_SECONDS)
        waiting = Client.WAITING_AGE if self.profile.open_loop else Client.IN_FLIGHT_AGE
        query = f"sum by (le) (last_over_time({waiting.name}[{span(until)}]))"
        ages = self.queries.prom.instant(query, until.end)
        return {float(sample.labels["le"]): sample.value for sample in ages}

    def _offered_rate(self, window: Window) -> float | None:
        """Return the arrivals due a second; in a closed workload the rate without any queueing.

        That is users / (mean think time + mean time in the handler), which is blind to queueing.
        """
        if self.profile.open_loop:
            return self.queries.counted_rate(Client.OFFERED, window)
        if not self.knows_think_time:
            return None
        handler, length, prom = Server.REQUEST_DURATION.name, span(window), self.queries.prom
        users = prom.number(f"avg_over_time(sum(locust_users_target)[{length}:1s])", window.end)
        service = prom.number(
            f"sum(increase({handler}_sum[{length}])) / sum(increase({handler}_count[{length}]))",
            window.end,
        )
        if users is None or service is None:
            return None
        return users / (sum(self.profile.think_time_seconds) / 2 + service)


def hung_requests(slo: Slo | None, answered: Buckets, abandoned_ages: Buckets) -> float:
    """Count the requests that were given up after a longer wait than anything allowed or answered.

    A younger one is only slow: its answer might have been under way.
    """
    objectives = slo.latency_seconds.values() if slo else ()
    limit = max(HUNG_SECONDS, histogram.slowest(answered), *objectives)
    return histogram.total(abandoned_ages) - histogram.count_within(limit, abandoned_ages)


def lower_bounds(answered: Buckets, including: Buckets) -> tuple[str, ...]:
    """Return the percentiles that would be larger if all that waits waited for ever.

    They are named where the waiting raised them, or is enough of all requests to hide more.
    """
    everything = histogram.total(including)
    for_ever = {**dict.fromkeys(including, 0.0), **answered, inf: everything}
    many = everything - histogram.total(answered) > MANY_RATIO * everything
    known, waited, most = statistics(answered), statistics(including), statistics(for_ever)
    # The last finite bound stands for every larger time.
    open_ended = max(filter(isfinite, including), default=inf)

    def is_lower_bound(name: str) -> bool:
        value, at_most = waited[name] or 0.0, most[name] or 0.0
        can_rise = at_most > NOTEWORTHY * value or at_most == open_ended
        return can_rise and (many or value > (known[name] or 0.0))

    return tuple(filter(is_lower_bound, QUANTILES))
