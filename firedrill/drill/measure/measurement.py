"""From Prometheus to figures: the queries behind run.json."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

from firedrill import histogram
from firedrill.contract import LATENCY_BOUNDS_SECONDS, Client, Server
from firedrill.drill.judge.verdict import LOST_LIMIT_RATIO
from firedrill.prometheus.client import step_of
from firedrill.record.figures import (
    Arrivals,
    ClientSide,
    Counts,
    Figures,
    Honesty,
    Saturation,
    ServerSide,
    Step,
    Window,
)
from firedrill.record.limits import QUANTILES, TAIL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firedrill.contract import Metric
    from firedrill.histogram import Buckets
    from firedrill.profile import Profile, Slo
    from firedrill.prometheus.client import Prometheus, Series
    from firedrill.record.figures import Alert, Latency

EXHAUSTED_RATIO = 0.9
"""A resource has run out when so much of its limit is in use for three seconds."""

OF_THE_WHOLE = frozenset({"arrivals_unsent", "pacing_missed", "task_exceptions"})
"""Conditions on a share of all that a run gained.

The rules, which look on, judge the share of all so far: what was a large one of a run's beginning may be a small one of it all.
"""

LEAST_INTERVALS = 100
"""Fewer intervals of a fixed pace are not judged."""

HUNG_SECONDS = 1.0
"""A bucket bound: who waited for longer starved, by the exporter's default."""

STARVED_SECONDS = 5.0
"""For so long on end users must starve."""

BEHIND_SECONDS = 30.0
"""So late users may follow the profile's spawn rate; in a run of less than a minute for half its length."""

NOTEWORTHY = 1.1
"""A percentile that what waits could only raise by less is what it seems to be."""

MANY_RATIO = 0.05
"""Fewer of all requests than that, cut short at a stop while they were younger than a percentile, say nothing against it."""

BEFORE_SECONDS = 5.0
"""How long before a window its counters are looked for: what they showed then is where they start."""

SCRAPE_SECONDS = 1.0
"""How long a scrape may last. Its samples bear the time of its beginning, and may show what was counted until its end."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Asks one Prometheus about one run."""

    prom: Prometheus
    profile: Profile
    run_id: str
    window: Window
    """From the first user to the last."""
    knows_think_time: bool
    """Whether the users are the bundled ones, so that the rate they offer is known."""

    def figures(self, alerts: tuple[Alert, ...]) -> Figures:
        """Everything, these alerts included; the warm-up left out of the two sides' figures and of nothing else."""
        judged_window = judged(self.window, self.profile.warmup_seconds)
        return Figures(
            client=self._client(judged_window),
            server=self._server(judged_window),
            steps=tuple(self._steps()),
            saturation=self._saturation(),
            honesty=self._honesty(),
            alerts=alerts,
            counts=self._counts(),
            invalid=self._invalid(),
            blind_seconds=self._blind_seconds(),
            seconds=self.window.seconds,
            arrivals=self._arrivals(),
        )

    # -- the two sides

    def _client(self, window: Window) -> ClientSide:
        # What was asked before the load stopped and answered after it belongs to the run: it may be the slowest of all.
        answered = self._gained_buckets(Client.REQUEST_DURATION, window)
        abandoned = self._gained_buckets(Client.ABANDONED_AGE, window)
        from_schedule = self._from_schedule(window)
        unsent, left = (
            self._gained_buckets(each, window) for each in (Client.UNSENT_AGE, Client.LEFT_AGE)
        )
        seen, waiting = (
            from_schedule or answered,
            histogram.merged(abandoned, left, self._waiting_ages(window)),
        )
        including = histogram.merged(seen, waiting, unsent)
        # What was dropped would not have been answered later either.
        judged = histogram.merged(
            seen, waiting, {inf: sum(self._gained(Client.UNSENT.name, window=window).values())}
        )
        failures, requests = (
            sum(self._gained(each.name, window=window).values())
            for each in (Client.FAILURES, Client.REQUESTS)
        )
        given_up = hung(self.profile.slo, seen, abandoned)
        return ClientSide(
            latency_seconds=_latency(answered),
            latency_including_waiting_seconds=_latency(including),
            slower_than_slo={
                key: histogram.share_above(bound, judged)
                for key, bound in self._objectives().items()
            },
            rate=self._counted_rate(Client.REQUESTS, window),
            offered_rate=self._offered_rate(window),
            error_ratio=_ratio(failures + given_up, requests + given_up),
            latency_from_schedule_seconds=_latency(from_schedule) if from_schedule else None,
            at_least=_at_least(seen, including),
        )

    def _from_schedule(self, window: Window) -> Buckets:
        return self._gained_buckets(Client.FROM_SCHEDULE, window) if self.profile.open_loop else {}

    def _hung(self, window: Window) -> float:
        """As the client's share of errors has them."""
        answered = self._from_schedule(window) or self._gained_buckets(
            Client.REQUEST_DURATION, window
        )
        return hung(self.profile.slo, answered, self._gained_buckets(Client.ABANDONED_AGE, window))

    def _server(self, window: Window) -> ServerSide:
        total = "http_server_response_time_seconds"
        # Services that follow OpenTelemetry's conventions, but are not ours, have the handler's time alone.
        metric = (
            Server.RESPONSE_TIME
            if self._rate(f"{total}_count", window) is not None
            else Server.REQUEST_DURATION
        )
        rate = self._rate(f"{metric.name}_count", window)
        failed = (
            self._rate(f'{metric.name}_count{{http_response_status_code=~"5.."}}', window) or 0.0
        )
        return ServerSide(
            latency_seconds=_latency(self._buckets(metric, window)),
            handler_latency_seconds=_latency(self._buckets(Server.REQUEST_DURATION, window)),
            queue_wait_seconds=_latency(self._buckets(Server.QUEUE_WAIT, window)),
            rate=rate,
            error_ratio=_ratio(failed, rate),
        )

    def _steps(self) -> Iterator[Step]:
        start = self.window.start
        for index, begin, end in _steps_of(self.profile, self.window.seconds):
            # The last one ends with the run, and has what was answered after it.
            span = Window(
                start + begin, start + end if end < self.window.seconds else self.window.end
            )
            asked = self.profile.load_at(begin)
            running = None if self._follows_profile() else self._most_users(span)
            yield Step(
                index,
                begin,
                end,
                asked.users,
                self._client(span),
                self._server(span),
                asked.rate,
                running,
            )

    def _follows_profile(self) -> bool:
        """Whether the load is the profile's: a locustfile's own shape wins over it, and knows of no steps."""
        return bool(self.prom.raw(Client.LOAD_STEP.name, self.window.start, self.window.end))

    def _most_users(self, window: Window) -> float | None:
        return max(
            (value for series in self._users(window) for value in series.values()), default=None
        )

    def _users(self, window: Window) -> list[Series]:
        return self.prom.range(f"sum({Client.USERS.name})", window.start, window.end)

    def _gained_buckets(self, metric: Metric, window: Window) -> Buckets:
        """What a client's histogram gained, answers that came after the load's end included."""
        return {
            float(le): count
            for le, count in self._gained(f"{metric.name}_bucket", "le", window).items()
        }

    def _waiting_ages(self, window: Window) -> Buckets:
        """Ages of what was waiting at a window's end, in an open loop since it was due; at the run's, when Locust was last heard of.

        None after an orderly stop. Who waits from one step into the next is slow in both.
        """
        until = (
            Window(self.window.start, self.window.end + TAIL_SECONDS)
            if window.end == self.window.end
            else window
        )
        waiting = Client.WAITING_AGE if self.profile.open_loop else Client.IN_FLIGHT_AGE
        ages = self.prom.instant(
            f"sum by (le) (last_over_time({waiting.name}[{_span(until)}]))", until.end
        )
        return {float(sample.labels["le"]): sample.value for sample in ages}

    def _objectives(self) -> Mapping[str, float]:
        return self.profile.slo.latency_seconds if self.profile.slo else {}

    def _offered_rate(self, window: Window) -> float | None:
        """Open loop: what was due. Closed: users / (mean think time + mean time in the handler), the handler being blind to queueing."""
        if self.profile.open_loop:
            return self._counted_rate(Client.OFFERED, window)
        if not self.knows_think_time:
            return None
        users = self.prom.number(
            f"avg_over_time(sum(locust_users_target)[{_span(window)}:1s])", window.end
        )
        handler = Server.REQUEST_DURATION.name
        span = _span(window)
        service = self.prom.number(
            f"sum(increase({handler}_sum[{span}])) / sum(increase({handler}_count[{span}]))",
            window.end,
        )
        if users is None or service is None:
            return None
        return users / (sum(self.profile.think_time_seconds) / 2 + service)

    def _buckets(self, metric: Metric, window: Window) -> Buckets:
        counted = self.prom.instant(
            f"sum by (le) (increase({metric.name}_bucket[{_span(window)}]))", window.end
        )
        return {float(sample.labels["le"]): sample.value for sample in counted}

    def _counted_rate(self, counter: Metric, window: Window) -> float | None:
        """What was counted, by the seconds: rate() adds what it supposes before the first sample and after the last."""
        gained = self._gained(counter.name, window=window)
        return sum(gained.values()) / window.seconds if gained else None

    def _rate(self, selector: str, window: Window) -> float | None:
        return self.prom.number(f"sum(rate({selector}[{_span(window)}]))", window.end)

    # -- saturation, honesty, validity

    def _saturation(self) -> Saturation:
        used = self.prom.range(
            "max by (resource) (min_over_time(api:saturation:ratio[3s]))",
            self.window.start,
            self.window.end,
        )
        largest = {series.labels["resource"]: max(series.values(), default=0.0) for series in used}
        first = {
            series.labels["resource"]: time - self.window.start
            for series in used
            for time, value in series.points[::-1]
            if value >= EXHAUSTED_RATIO
        }
        ran_out = min(first, key=lambda name: first[name], default=None)
        nearest = max(largest, key=lambda name: largest[name], default=None)
        return Saturation(largest, ran_out, first.get(ran_out) if ran_out else None, nearest)

    def _honesty(self) -> Honesty:
        lost = self._gained(Client.ABANDONED.name, "stage")
        return Honesty(
            in_flight_max=self._largest(Client.IN_FLIGHT.name),
            oldest_max_seconds=self._largest(Client.OLDEST.name),
            starved_max=self._largest(Client.STARVED.name),
            starved_sustained=self._largest(starved_on_end()),
            abandoned={stage: lost.get(stage) for stage in ("in_flight", "unreported")},
            generator_cpu_max_ratio=self._largest(
                "max(avg_over_time(locust_worker_cpu_ratio[10s]))"
            ),
            generator_lag_ratio=self._lag_ratio(),
            hung=self._hung(judged(self.window, self.profile.warmup_seconds)) if lost else None,
            exceptions=self._exceptions(),
        )

    def _exceptions(self) -> float | None:
        gained = self._gained(Client.USER_EXCEPTIONS.name)
        return sum(gained.values()) if gained else None

    def _lag_ratio(self) -> float | None:
        """Of the process that was late for longest. One that had no time for a page under load tells of it on its last one."""
        late = self._gained(Client.WORKER_LAG.name, "worker")
        return min(1.0, max(late.values()) / self.window.seconds) if late else None

    def _largest(self, query: str) -> float | None:
        values = [
            value
            for series in self.prom.range(query, self.window.start, self.window.end)
            for value in series.values()
        ]
        return max(values, default=None)

    def _counts(self) -> Counts:
        mine = f'{Server.RUN_REQUESTS.name}{{run_id="{self.run_id}"}}'
        finished = self._gained(mine)
        return Counts(
            client_requests=sum(self._gained("locust_requests_total").values()),
            client_failures=sum(self._gained("locust_request_failures_total").values()),
            server_finished=sum(finished.values()) if finished else None,
        )

    def _arrivals(self) -> Arrivals | None:
        if self.profile.open_loop is None:
            return None
        offered, started, unsent = (
            sum(self._gained(each.name).values())
            for each in (Client.OFFERED, Client.STARTED, Client.UNSENT)
        )
        late = histogram.quantile(0.99, self._gained_buckets(Client.LATENESS, self.window))
        left = histogram.total(self._gained_buckets(Client.LEFT_AGE, self.window))
        # A worker that was given up and came back had begun more than it had told: its last half second counts as begun and as unsent.
        return Arrivals(
            offered, started, max(0.0, min(unsent, offered - started - left)), late, left
        )

    def _gained(
        self, selector: str, by: str = "", window: Window | None = None
    ) -> dict[str, float]:
        """What each series gained from raw sample to raw sample in a window (or the run), summed by a label, or all together as ``.

        Counters that started anew add up. A window that ends with the run includes the last figures that arrive after it.
        One that begins with the run starts from what was counted a scrape's longest time before: nothing was asked in between.
        """
        window = window or self.window
        tail = TAIL_SECONDS if window.end == self.window.end else 0.0
        since = window.start - (SCRAPE_SECONDS if window.start == self.window.start else 0.0)
        gained: dict[str, float] = {}
        for series in self.prom.raw(selector, window.start - BEFORE_SECONDS, window.end + tail):
            key = series.labels.get(by, "")
            gained[key] = gained.get(key, 0.0) + increase(series, since)
        return gained

    def _invalid(self) -> dict[str, float]:
        seconds: dict[str, float] = {}
        for series in self.prom.range(
            "max by (reason) (locust:run_invalid_reason:bool)", self.window.start, self.window.end
        ):
            broken = sum(value == 1 for value in series.values()) * self._step_seconds
            if broken and series.labels["reason"] not in OF_THE_WHOLE:
                seconds[series.labels["reason"]] = float(broken)
        return seconds | self._pacing_missed() | self._users_behind()

    def _pacing_missed(self) -> dict[str, float]:
        """A share is one of the whole run, and so is its length."""
        missed, intervals = (
            sum(self._gained(each.name).values()) for each in (Client.PACING_MISSED, Client.PACING)
        )
        is_much = intervals >= LEAST_INTERVALS and missed > LOST_LIMIT_RATIO * intervals
        return {"pacing_missed": self.window.seconds} if is_much else {}

    def _users_behind(self) -> dict[str, float]:
        """Seconds for which the users were fewer than the schedule had asked for ever since half a minute before.

        In a run of less than a minute since half its length.
        """
        grace = min(BEHIND_SECONDS, self.window.seconds / 2)
        behind = sum(
            users
            < 0.99
            * min(self._scheduled(time - self.window.start - grace * part / 3) for part in range(4))
            for series in self._users(self.window)
            for time, users in series.points
            if time - self.window.start > grace
        )
        return {"users_behind": behind * self._step_seconds} if behind else {}

    @property
    def _step_seconds(self) -> float:
        """For so long a point of a range stands: a second, longer in a run of hours."""
        return step_of(self.window.start, self.window.end)

    def _scheduled(self, after_seconds: float) -> float:
        return self.profile.scheduled_users(max(0.0, after_seconds))

    def _blind_seconds(self) -> float:
        scraped = self.prom.raw('up{job="locust"}', self.window.start, self.window.end)
        times = [time for series in scraped for time, up in series.points if up == 1]
        edges = [self.window.start, *sorted(times), self.window.end]
        return max(later - earlier for earlier, later in pairwise(edges))


def judged(window: Window, warmup_seconds: float) -> Window:
    """What is left of a window after the warm-up; all of it if it ended in the warm-up, for an instant has no figures."""
    start = window.start + warmup_seconds
    return Window(start, window.end) if start < window.end else window


def hung(slo: Slo | None, answered: Buckets, abandoned_ages: Buckets) -> float:
    """Requests that were given up when they had waited for longer than they may take, and than any that was answered.

    A younger one is only slow: its answer might have been under way.
    """
    objectives = slo.latency_seconds.values() if slo else ()
    return histogram.total(abandoned_ages) - abandoned_ages.get(
        max(HUNG_SECONDS, histogram.slowest(answered), *objectives), 0.0
    )


def starved_on_end(longer_seconds: float = 0.0) -> str:
    """The query for the users that starved for five seconds on end, or for so much longer."""
    return f"min_over_time({Client.STARVED.name}[{STARVED_SECONDS + longer_seconds:.0f}s])"


def _latency(buckets: Buckets) -> Latency:
    return {name: histogram.quantile(q, buckets) for name, q in QUANTILES.items()}


def _at_least(seen: Buckets, including: Buckets) -> tuple[str, ...]:
    """Percentiles that what waits has raised, or is enough to hide, and that would be larger if it did so for ever."""
    everything = histogram.total(including)
    for_ever = {**dict.fromkeys(including, 0.0), **seen, inf: everything}
    many = everything - histogram.total(seen) > MANY_RATIO * everything
    known, waited, most = (_latency(each) for each in (seen, including, for_ever))
    open_ended = LATENCY_BOUNDS_SECONDS[-1]  # which is shown of all that is larger

    def is_lower_bound(name: str) -> bool:
        value, at_most = waited[name] or 0.0, most[name] or 0.0
        return (at_most > NOTEWORTHY * value or at_most == open_ended) and (
            many or value > (known[name] or 0.0)
        )

    return tuple(filter(is_lower_bound, QUANTILES))


def _ratio(part: float, whole: float | None) -> float | None:
    return part / whole if whole else None


def _span(window: Window) -> str:
    return f"{max(1000, round(window.seconds * 1000))}ms"


def increase(series: Series, since: float) -> float:
    """What a counter gained since a time, from its raw samples; it starts at zero where it is new, and anew where it falls."""
    before = [value for time, value in series.points if time <= since][-1:] or [0.0]
    values = before + [value for time, value in series.points if time > since]
    return sum(
        later - earlier if later >= earlier else later for earlier, later in pairwise(values)
    )


def _steps_of(profile: Profile, seconds: float) -> Iterator[tuple[int, float, float]]:
    """(index, start, end) of each step that a run of so many seconds reached."""
    begin, index = 0, profile.step_at(0)
    for second in range(1, int(seconds) + 1):
        now = profile.step_at(second) if second < int(seconds) else None
        if now != index:
            yield index, float(begin), seconds if now is None else float(second)
            begin, index = second, now if now is not None else index
