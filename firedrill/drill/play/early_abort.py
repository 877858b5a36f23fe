"""The early abort of a run whose SLO is broken for certain (--abort-on-slo)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from firedrill import histogram
from firedrill.contract import Client
from firedrill.drill.measure.quality_figures import sustained_starvation
from firedrill.objectives import is_exceeded
from firedrill.prometheus.client import step_of
from firedrill.record.outcome import EarlyAbort

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firedrill.contract import Metric
    from firedrill.histogram import Buckets
    from firedrill.profile import Profile, Slo, Step
    from firedrill.prometheus.client import Prometheus

RECENT_SECONDS = 5.0
"""Span that is judged where nobody knows how many requests are still to come; judged twice."""

REPORT_SECONDS = 3.0
"""A worker's counts may be this much older than its last report: Locust's own interval."""

LATE_SECONDS = 2.0
"""Locust, which looks at its profile once a second, may reduce or end its load this late."""


@dataclass(frozen=True, slots=True)
class ObservedRequests:
    """Requests in a span of time, with those that wait at its end, and dropped arrivals."""

    requests: float
    failed: float
    slower: Mapping[str, float]
    """Requests slower than each latency objective."""


class AbortWatch:
    """Looks at a run again and again, until its SLO is broken for certain."""

    def __init__(
        self, profile: Profile, ends_after_seconds: float | None, *, knows_requests: bool
    ) -> None:
        """Take the profile that is played.

        Args:
            profile: The profile, with its SLO.
            ends_after_seconds: The planned length of the load; None: until it is stopped.
            knows_requests: Whether an arrival, or a user's task, is one request, as with the
                bundled users.
        """
        self._profile = profile
        self._ends_after = ends_after_seconds if knows_requests else None
        self._broken_since: float | None = None

    def look(self, prom: Prometheus, began: float, now: float) -> EarlyAbort | None:
        """Return the abort that is certain at a Unix time; None while the run may still pass.

        Where the end of the load is known, the SLO is broken when more requests were slow (or
        failed) than it accepts of all that can still come.
        """
        judged_from = began + self._profile.warmup_seconds
        slo = self._profile.slo
        scraped = prom.number(f"min(timestamp({Client.TEST_START.name}))", now)
        if slo is None or scraped is None or scraped - judged_from < RECENT_SECONDS:
            return None
        # All figures are those of one scrape: a request might be in both of two, or in neither.
        if too_many_starved(slo, prom, began, scraped):
            return self._abort("starved_users", scraped - began)
        reported = prom.number(f"min({Client.WORKER_REPORT.name})", scraped) or scraped
        counted_until = min(reported, scraped) - REPORT_SECONDS - began
        to_come = most_to_come(self._profile, counted_until, self._ends_after)
        if to_come == inf:
            return self._look_at_recent(slo, prom, began, scraped)
        observed = observed_requests(self._profile, prom, judged_from, scraped)
        objective = broken_objective(slo, observed, to_come)
        return self._abort(objective, scraped - began) if objective else None

    def _look_at_recent(
        self, slo: Slo, prom: Prometheus, began: float, scraped: float
    ) -> EarlyAbort | None:
        """Judge the last seconds, of a load without a known end."""
        recent = observed_requests(self._profile, prom, scraped - RECENT_SECONDS, scraped)
        objective = broken_objective(slo, recent, 0.0)
        since = self._broken_after(objective, scraped - began)
        if objective is None or since is None:
            return None
        return self._abort(objective, self._breaking_step(slo, prom, began, since, scraped))

    def _broken_after(self, objective: str | None, after_seconds: float) -> float | None:
        """Return when a broken objective broke, once it has lasted; None before.

        That was somewhere in the seconds before the first look that found it.
        """
        if objective is None:
            self._broken_since = None
            return None
        if self._broken_since is None:
            self._broken_since = after_seconds
        if after_seconds - self._broken_since < RECENT_SECONDS:
            return None
        return max(0.0, self._broken_since - RECENT_SECONDS)

    def _breaking_step(
        self, slo: Slo, prom: Prometheus, began: float, since: float, now: float
    ) -> float:
        """Return the start of the first step since then whose own requests broke the SLO.

        The step before it may have held until its end.
        """
        for start, end, _ in _spans(self._profile, since, now - began):
            own = observed_requests(self._profile, prom, began + start, began + end)
            if broken_objective(slo, own, 0.0):
                return start
        return since

    def _abort(self, objective: str, after_seconds: float) -> EarlyAbort:
        index = self._profile.step_at(after_seconds)
        reached = itertools.islice(self._profile.all_steps(), index + 1)
        loads = [load_of(step) for step in reached]
        return EarlyAbort(
            objective=objective,
            after_seconds=after_seconds,
            step=index,
            load=loads[-1],
            held=loads[-2] if index else None,
        )


def load_of(step: Step) -> str:
    """Return a step's load in words: `120/s` or `40 users`."""
    return f"{step.users} users" if step.rate is None else f"{step.rate:g}/s"


def most_to_come(profile: Profile, after_seconds: float, end_seconds: float | None) -> float:
    """Return the most requests that a load can still report; infinite where its end is not known.

    Each user may send one more than its pace allows: the one that it is about to report.
    """
    if end_seconds is None:
        return inf
    end = end_seconds + LATE_SECONDS
    steps = itertools.takewhile(lambda step: step.start_seconds < end, profile.all_steps())
    users = max(step.users for step in steps)
    return users + sum(
        (stop - start) * _highest_rate(profile, step, start)
        for start, stop, step in _spans(profile, max(0.0, after_seconds), end)
    )


def _spans(profile: Profile, start: float, end: float) -> Iterator[tuple[float, float, Step]]:
    """Yield (start, end, step) of each step's part of a span of time."""
    steps = itertools.takewhile(lambda step: step.start_seconds < end, profile.all_steps())
    for step, following in itertools.pairwise([*steps, None]):
        if step is None:
            continue
        begin = max(start, step.start_seconds)
        stop = following.start_seconds if following else end
        if begin < stop:
            yield begin, stop, step


def _highest_rate(profile: Profile, step: Step, start_seconds: float) -> float:
    """Return the highest rate of a step from a time on.

    Where the users become fewer, they do so at the step's spawn rate.
    """
    if step.rate is not None:
        return step.rate
    shortest = profile.think_time_seconds[0]
    if not shortest:
        return inf
    return max(step.users, profile.scheduled_users(start_seconds - LATE_SECONDS)) / shortest


def broken_objective(slo: Slo, observed: ObservedRequests, to_come: float) -> str | None:
    """Return the objective that is broken even if all requests to come are perfect."""
    all_requests = observed.requests + to_come
    for name in slo.latency_seconds:
        if is_exceeded(name, observed.slower[name], all_requests):
            return name
    if slo.error_ratio is not None and observed.failed > slo.error_ratio * all_requests:
        return "errors"
    return None


def too_many_starved(slo: Slo, prom: Prometheus, began: float, now: float) -> bool:
    """Return whether more users starve than the SLO accepts, long enough for the verdict."""
    if slo.starved_users is None:
        return False
    query = sustained_starvation(longer_seconds=step_of(began, now))
    return (prom.number(f"max({query})", now) or 0.0) > slo.starved_users


def observed_requests(
    profile: Profile, prom: Prometheus, start: float, now: float
) -> ObservedRequests:
    """Count the requests of a span of time."""
    if profile.open_loop:
        answered, waiting = Client.ALL_FROM_SCHEDULE, Client.WAITING_AGE
    else:
        answered, waiting = Client.ALL_REQUEST_DURATION, Client.IN_FLIGHT_AGE

    def gained(selector: str, by: str = "") -> dict[str, float]:
        query = f"sum by ({by}) ({selector})"
        before = {sample.labels.get(by, ""): sample.value for sample in prom.instant(query, start)}
        return {
            (key := sample.labels.get(by, "")): sample.value - before.get(key, 0.0)
            for sample in prom.instant(query, now)
        }

    def buckets(metric: Metric) -> Buckets:
        return {float(le): count for le, count in gained(f"{metric.name}_bucket", "le").items()}

    ages = prom.instant(f"sum by (le) ({waiting.name})", now)
    waiting_now = {float(sample.labels["le"]): sample.value for sample in ages}
    known = histogram.merged(buckets(answered), buckets(Client.ABANDONED_AGE), waiting_now)
    requests = histogram.total(known) + gained(Client.UNSENT.name).get("", 0.0)
    objectives = profile.slo.latency_seconds if profile.slo else {}
    slower = {
        name: requests - histogram.count_within(bound, known) for name, bound in objectives.items()
    }
    # Abandoned requests are no failures yet: only the end tells which of them hung.
    return ObservedRequests(requests, gained(Client.ALL_FAILURES.name).get("", 0.0), slower)
