"""Figures of the measurement quality: hidden requests, counts, arrivals, broken conditions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from firedrill import histogram
from firedrill.contract import Client, Server
from firedrill.drill.judge.validity import LOST_LIMIT_RATIO
from firedrill.record.figures import Arrivals, Counts, MeasurementQuality, UnobservedUsers
from firedrill.record.limits import TAIL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firedrill.drill.measure.run_queries import RunQueries
    from firedrill.profile import Profile
    from firedrill.record.figures import Restarts

OVER_THE_WHOLE_RUN = frozenset({"arrivals_unsent", "pacing_missed", "task_exceptions"})
"""Conditions on a share of the whole run. The rules, which look on, judge the share so far, which
may be large at the beginning of a run whose share is small in the end."""

FEWEST_INTERVALS = 100
"""Fewer intervals of a fixed pace are not judged."""

STARVED_SECONDS = 5.0
"""Time for which users must be starved without a break."""

BEHIND_SECONDS = 30.0
"""Users may be this late behind the profile's spawn rate; in a short run for half its length."""

BEHIND_RATIO = 0.99
"""Share of the scheduled users below which a run is behind its schedule."""


def sustained_starvation(longer_seconds: float = 0.0) -> str:
    """Return the query for the users that starved for five seconds, or longer, without a break.

    The gauge ends where users begin to wait unseen: its last samples are no five seconds.
    """
    gauge = Client.STARVED.name
    return f"min_over_time({gauge}[{STARVED_SECONDS + longer_seconds:.0f}s]) and {gauge}"


@dataclass(frozen=True, slots=True)
class QualityFigures:
    """Measures how far the figures of one run can be trusted."""

    queries: RunQueries
    profile: Profile

    def measure(self, hung: float) -> MeasurementQuality:
        """Measure the requests that no latency shows, and the load generator's health.

        Args:
            hung: Requests that the client's side counted as hung.
        """
        queries = self.queries
        abandoned = queries.gains(Client.ABANDONED.name, "stage")
        unobserved = self._unobserved()

        def most_starved(query: str) -> float | None:
            """Return the most starved users; 0 of the observed ones says nothing of the others."""
            most = queries.largest(query)
            return most if most or not unobserved else None

        return MeasurementQuality(
            in_flight_max=queries.largest(Client.IN_FLIGHT.name),
            oldest_max_seconds=queries.largest(Client.OLDEST.name),
            starved_max=most_starved(Client.STARVED.name),
            starved_sustained=most_starved(sustained_starvation()),
            abandoned={stage: abandoned.get(stage) for stage in ("in_flight", "unreported")},
            generator_cpu_max_ratio=queries.largest(
                "max(avg_over_time(locust_worker_cpu_ratio[10s]))"
            ),
            generator_lag_ratio=self._lag_ratio(),
            hung=hung if abandoned else None,
            unobserved=unobserved,
            exceptions=queries.gain_or_none(Client.USER_EXCEPTIONS),
        )

    def _unobserved(self) -> tuple[UnobservedUsers, ...]:
        """Return the classes of users that may have waited unseen, by name."""
        window = self.queries.window
        found: dict[str, UnobservedUsers] = {}
        for series in self.queries.prom.raw(
            Client.UNOBSERVED.name, window.start, window.end + TAIL_SECONDS
        ):
            users = UnobservedUsers(
                *(series.labels.get(label, "") for label in ("user_class", "method", "name"))
            )
            # Without a request, a class is unobserved only until it tells of its first one.
            if series.values()[-1] == 1 and (users.has_request or users.user_class not in found):
                found[users.user_class] = users
        return tuple(found[user_class] for user_class in sorted(found))

    def _lag_ratio(self) -> float | None:
        """Return the late share of the process that was late for longest.

        A process that had no time for a scrape under load tells it in its last one.
        """
        late = self.queries.gains(Client.WORKER_LAG.name, "worker")
        return min(1.0, max(late.values()) / self.queries.window.seconds) if late else None

    def counts(self, run_id: str, restarts: Iterable[Restarts]) -> Counts:
        """Count the requests of both sides over the whole run."""
        own_requests = f'{Server.RUN_REQUESTS.name}{{run_id="{run_id}"}}'
        finished = self.queries.gains(own_requests, "job")
        broken = {restarted.job for restarted in restarts} | self._jobs_unseen_at_end()
        return Counts(
            client_requests=self.queries.gain(Client.REQUESTS),
            client_failures=self.queries.gain(Client.FAILURES),
            server_finished=sum(finished.values()) if finished else None,
            comparable=broken.isdisjoint({*finished, "locust"}) if finished else None,
            outside_load=self.queries.gains_around(
                Client.OUTSIDE_LOAD.name, "phase", self.queries.last(Client.SETUP_SECONDS) or 0.0
            ),
        )

    def _jobs_unseen_at_end(self) -> set[str]:
        """Return the jobs that were not scraped after the load; the generator has ended by then."""
        window = self.queries.window
        scrapes = self.queries.prom.raw("up", window.start, window.end + TAIL_SECONDS)
        return {
            job
            for series in scrapes
            if (job := series.labels.get("job", "")) != "locust"
            and (not series.points[-1][1] or series.points[-1][0] < window.end)
        }

    def arrivals(self) -> Arrivals | None:
        """Count what became of the schedule; None in a closed workload."""
        if self.profile.open_loop is None:
            return None
        queries, run = self.queries, self.queries.window
        offered, started = queries.gain(Client.OFFERED), queries.gain(Client.STARTED)
        backlog = histogram.total(queries.gained_buckets(Client.LEFT_AGE, run))
        # A worker that was given up and came back had started more than it had reported: those
        # of its last half second count as started and as dropped.
        dropped = min(queries.gain(Client.UNSENT), offered - started - backlog)
        return Arrivals(
            offered=offered,
            started=started,
            unsent=max(0.0, dropped),
            lateness_p99_seconds=histogram.quantile(
                0.99, queries.gained_buckets(Client.LATENESS, run)
            ),
            left=backlog,
            finished=queries.counted_gain(Client.FINISHED, run),
        )

    def broken_conditions(self) -> dict[str, float]:
        """Return the seconds for which each condition of a valid run was broken."""
        seconds: dict[str, float] = {}
        broken = self.queries.range("max by (reason) (locust:run_invalid_reason:bool)")
        for series in broken:
            reason = series.labels["reason"]
            points = sum(value == 1 for value in series.values())
            if points and reason not in OVER_THE_WHOLE_RUN:
                seconds[reason] = float(points * self.queries.step_seconds)
        return seconds | self._pacing_missed() | self._users_behind()

    def _pacing_missed(self) -> dict[str, float]:
        missed, intervals = (
            self.queries.gain(Client.PACING_MISSED),
            self.queries.gain(Client.PACING),
        )
        if intervals >= FEWEST_INTERVALS and missed > LOST_LIMIT_RATIO * intervals:
            return {"pacing_missed": self.queries.window.seconds}
        return {}

    def _users_behind(self) -> dict[str, float]:
        """Return the seconds with fewer users than scheduled during all of the time before."""
        start = self.queries.window.start
        grace = min(BEHIND_SECONDS, self.queries.window.seconds / 2)
        behind = sum(
            users < BEHIND_RATIO * self._scheduled_since(time - start, grace)
            for series in self.queries.range(f"sum({Client.USERS.name})")
            for time, users in series.points
            if time - start > grace
        )
        return {"users_behind": behind * self.queries.step_seconds} if behind else {}

    def _scheduled_since(self, after_seconds: float, grace_seconds: float) -> float:
        """Return the fewest users that the profile asked for in the time before, at four points."""
        return min(
            self.profile.scheduled_users(max(0.0, after_seconds - grace_seconds * part / 3))
            for part in range(4)
        )

    def longest_scrape_gap(self) -> float:
        """Return the longest time without a scrape of the load generator."""
        window = self.queries.window
        scraped = self.queries.prom.raw('up{job="locust"}', window.start, window.end)
        times = [time for series in scraped for time, up in series.points if up == 1]
        edges = [window.start, *sorted(times), window.end]
        return max(later - earlier for earlier, later in pairwise(edges))
