"""Whether a run has failed before it is over, and where: what --abort-on-slo looks at."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from firedrill import units
from firedrill.contract import Client, format_bound
from firedrill.drill.measure.measurement import starved_on_end
from firedrill.objectives import is_exceeded
from firedrill.prometheus.client import step_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firedrill.profile import Profile, Slo, Step
    from firedrill.prometheus.client import Prometheus

RECENT_SECONDS = 5.0
"""Where nobody knows how many requests are still to come, the last seconds are judged, and once more when they have passed."""

REPORT_SECONDS = 3.0
"""What a worker counted may be so much older than the last that was heard of it: Locust's own interval, the exporter's is shorter."""

LATE_SECONDS = 2.0
"""Locust, which looks once a second what its profile asks for, may be so late with less load, or with none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Requests in a span of time, those that wait at its end included, and what an open loop dropped."""

    requests: float
    failed: float
    slower: Mapping[str, float]
    """Requests beyond each latency objective."""


@dataclass(frozen=True, slots=True)
class Foregone:
    """Where the SLO broke."""

    objective: str
    """`p99`, `errors` or `starved_users`."""
    after_seconds: float
    step: int
    load: str
    """What that step asked for."""
    held: str | None
    """What the step before it had asked for, which the SLO survived; None in the first."""

    def text(self) -> str:
        """A sentence for people."""
        held = f"; it had held at {self.held}" if self.held else ""
        at = f"{self.load} (step {self.step}, {units.seconds(self.after_seconds)} after the start)"
        return f"the SLO ({self.objective}) broke at {at}{held}; the load was ended there"


class Watch:
    """Looks again and again, until it is foregone."""

    def __init__(
        self, profile: Profile, ends_after_seconds: float | None, *, knows_requests: bool
    ) -> None:
        """`knows_requests`: an arrival, or a user's task, is one request, as with the bundled users."""
        self._profile = profile
        self._ends_after = ends_after_seconds if knows_requests else None
        self._broken_since: float | None = None

    def look(self, prom: Prometheus, began: float, now: float) -> Foregone | None:
        """What is certain at a time (Unix seconds); None while the run may still pass.

        Where the end of the load is known: more requests were slow (or failed) than the SLO accepts of all that can still come.
        """
        judged_from = began + self._profile.warmup_seconds
        slo, scraped = (
            self._profile.slo,
            prom.number(f"min(timestamp({Client.TEST_START.name}))", now),
        )
        if slo is None or scraped is None or scraped - judged_from < RECENT_SECONDS:
            return None
        # All figures are those of the last scrape: of two scrapes, a request might be in both or in neither.
        if starved(slo, prom, began, scraped):
            return self._found("starved_users", scraped - began)
        heard = prom.number(f"min({Client.WORKER_REPORT.name})", scraped) or scraped
        to_come = most_to_come(
            self._profile, min(heard, scraped) - REPORT_SECONDS - began, self._ends_after
        )
        if to_come == inf:
            objective = broken(
                slo, seen(self._profile, prom, scraped - RECENT_SECONDS, scraped), 0.0
            )
            since = self._lasting(objective, scraped - began)
            return (
                None
                if objective is None or since is None
                else self._found(objective, self._where(slo, prom, began, since, scraped))
            )
        objective = broken(slo, seen(self._profile, prom, judged_from, scraped), to_come)
        return self._found(objective, scraped - began) if objective else None

    def _lasting(self, objective: str | None, after_seconds: float) -> float | None:
        """When what is broken began, as soon as it has lasted: somewhere in the seconds before the first bad look."""
        if objective is None:
            self._broken_since = None
            return None
        if self._broken_since is None:
            self._broken_since = after_seconds
        lasted = after_seconds - self._broken_since >= RECENT_SECONDS
        return max(0.0, self._broken_since - RECENT_SECONDS) if lasted else None

    def _where(self, slo: Slo, prom: Prometheus, began: float, since: float, now: float) -> float:
        """When the first step began, since then, whose own requests broke the SLO: the one before it may have held until its end."""
        spans = _spans(self._profile, since, now - began)
        own = (
            (start, seen(self._profile, prom, began + start, began + end))
            for start, end, _ in spans
        )
        return next((start for start, requests in own if broken(slo, requests, 0.0)), since)

    def _found(self, objective: str, after_seconds: float) -> Foregone:
        index = self._profile.step_at(after_seconds)
        loads = [load_of(step) for step in itertools.islice(self._profile.all_steps(), index + 1)]
        return Foregone(objective, after_seconds, index, loads[-1], loads[-2] if index else None)


def load_of(step: Step) -> str:
    """`120/s` or `40 users`."""
    return f"{step.users} users" if step.rate is None else f"{step.rate:g}/s"


def most_to_come(profile: Profile, after_seconds: float, end_seconds: float | None) -> float:
    """Most requests that a load can still report from one of its times until its end; infinite where that is not known.

    Each user may do one more than its pace has room for: the one that it is about to report.
    """
    if end_seconds is None:
        return inf
    end = end_seconds + LATE_SECONDS
    users = max(
        step.users
        for step in itertools.takewhile(lambda step: step.start_seconds < end, profile.all_steps())
    )
    spans = _spans(profile, max(0.0, after_seconds), end)
    return users + sum(
        (stop - start) * _highest_rate(profile, step, start) for start, stop, step in spans
    )


def _spans(profile: Profile, start: float, end: float) -> Iterator[tuple[float, float, Step]]:
    """(start, end, step) of what each step has of a span of time."""
    steps = itertools.takewhile(lambda step: step.start_seconds < end, profile.all_steps())
    for step, following in itertools.pairwise([*steps, None]):
        begin, stop = (
            max(start, step.start_seconds) if step else inf,
            following.start_seconds if following else end,
        )
        if step and begin < stop:
            yield begin, stop, step


def _highest_rate(profile: Profile, step: Step, start_seconds: float) -> float:
    """Of a step from a time on: where users become fewer, they do so at its spawn rate."""
    if step.rate is not None:
        return step.rate
    shortest = profile.think_time_seconds[0]
    return (
        max(step.users, profile.scheduled_users(start_seconds - LATE_SECONDS)) / shortest
        if shortest
        else inf
    )


def broken(slo: Slo, seen: Seen, to_come: float) -> str | None:
    """The objective that is broken even if all requests to come are perfect; None if there is none."""
    all_requests = seen.requests + to_come
    for name in slo.latency_seconds:
        if is_exceeded(name, seen.slower[name], all_requests):
            return name
    return (
        "errors"
        if slo.error_ratio is not None and seen.failed > slo.error_ratio * all_requests
        else None
    )


def starved(slo: Slo, prom: Prometheus, began: float, now: float) -> bool:
    """Whether more users starve than the SLO accepts, and have for so long that the verdict, which looks at five seconds, saw it."""
    lasting = prom.number(f"max({starved_on_end(longer_seconds=step_of(began, now))})", now) or 0.0
    return slo.starved_users is not None and lasting > slo.starved_users


def seen(profile: Profile, prom: Prometheus, start: float, now: float) -> Seen:
    """What a span of time has shown."""
    answered, waiting = (
        (Client.FROM_SCHEDULE, Client.WAITING_AGE)
        if profile.open_loop
        else (Client.REQUEST_DURATION, Client.IN_FLIGHT_AGE)
    )

    def gained(selector: str) -> float:
        return (prom.number(f"sum({selector})", now) or 0.0) - (
            prom.number(f"sum({selector})", start) or 0.0
        )

    def within(bound: str) -> float:
        at = f'{{le="{bound}"}}'
        return (
            gained(f"{answered.name}_bucket{at}")
            + abandoned(bound)
            + (prom.number(f"sum({waiting.name}{at})", now) or 0.0)
        )

    def abandoned(bound: str) -> float:
        return gained(f'{Client.ABANDONED_AGE.name}_bucket{{le="{bound}"}}')

    requests = within("+Inf") + gained(Client.UNSENT.name)
    slow = {
        name: requests - within(format_bound(bound))
        for name, bound in (profile.slo.latency_seconds if profile.slo else {}).items()
    }
    # Who was given up has hung only if nobody waits for as long and is answered, which the end alone can tell.
    return Seen(requests, gained(Client.FAILURES.name), slow)
