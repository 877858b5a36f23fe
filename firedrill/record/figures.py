"""The figures of a run: plain frozen records, as they stand in run.json. Seconds, ratios 0..1, requests a second.

None means that there is no such figure: nothing was measured, or it cannot be measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EARLY_SECONDS = 1.0
"""A load may end so much before its time."""

Latency = Mapping[str, float | None]
"""Seconds by `p50`, `p95`, `p99`."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of Unix time."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start

    def falls_short(self, planned_seconds: float | None) -> bool:
        """Whether a load that was to last for so long (None: until stopped) ended before; Locust looks once a second."""
        return planned_seconds is not None and self.seconds < planned_seconds - EARLY_SECONDS


@dataclass(frozen=True, slots=True)
class ClientSide:
    """What the load generator saw."""

    latency_seconds: Latency
    """Of the requests that were answered: what Locust itself would report."""
    latency_including_waiting_seconds: Latency
    """The same with the requests that were still waiting or abandoned at the end, at the age they had: a lower bound.

    In an open loop all count from the moment they were due, also arrivals that were dropped, or waited for a user when the load ended.
    """
    slower_than_slo: Mapping[str, float | None]
    """Share of requests, the waiting included as above, beyond each latency objective; what was dropped is beyond all of them.

    None where no request has a time.
    """
    rate: float | None
    """Requests answered a second."""
    offered_rate: float | None
    """Requests a second that these users would make of a server on which nobody queues; in an open loop the arrivals that were due."""
    error_ratio: float | None
    """Of the requests that were answered, failed, or hung until they were given up, which are failures as well."""
    latency_from_schedule_seconds: Latency | None = None
    """Of the requests that were answered, from the moment they were due; None in a closed loop."""
    at_least: tuple[str, ...] = ()
    """Percentiles of the latency with the waiting that are lower bounds: they would be larger if those who wait were waited for."""


@dataclass(frozen=True, slots=True)
class ServerSide:
    """What the API saw."""

    latency_seconds: Latency
    """Accepted until handed over: queue wait and handler."""
    handler_latency_seconds: Latency
    """Inside the handler; blind to queueing."""
    queue_wait_seconds: Latency
    rate: float | None
    error_ratio: float | None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the load profile."""

    index: int
    start_seconds: float
    end_seconds: float
    users: int
    """In an open loop: the slots for its arrivals."""
    client: ClientSide
    server: ServerSide
    arrival_rate: float | None = None
    """Arrivals a second that the profile asks for; None in a closed loop."""
    users_measured: float | None = None
    """Most that ran, where a shape of the locustfile's own asked for them and not the profile; None where the profile did."""


@dataclass(frozen=True, slots=True)
class Saturation:
    """How near each resource came to its limit."""

    largest_ratio: Mapping[str, float]
    """Highest use of a limit that held for three seconds, by resource."""
    ran_out_first: str | None
    """The resource that was first used to nine tenths for three seconds; None if none was."""
    ran_out_after_seconds: float | None
    nearest: str | None
    """The resource that came nearest to its limit."""


@dataclass(frozen=True, slots=True)
class Honesty:
    """What an ordinary load test does not tell."""

    in_flight_max: float | None
    oldest_max_seconds: float | None
    starved_max: float | None
    starved_sustained: float | None
    """Most users that were starved at once for five seconds on end."""
    abandoned: Mapping[str, float | None]
    """Requests that no statistic shows, by stage: in_flight, unreported; None where the generator could not see them."""
    generator_cpu_max_ratio: float | None
    generator_lag_ratio: float | None
    """Share of the time by which the generator's event loop was late."""
    hung: float | None = None
    """Requests given up after the warm-up, after a longer wait than a second, each latency objective and each answer: they have failed."""
    exceptions: float | None = None
    """Tasks that ended with an exception: what they had not asked yet, nobody asked."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What became of an open loop's schedule in the whole run."""

    offered: float
    """Arrivals that were due."""
    started: float
    unsent: float
    """Dropped: all users were busy for too long, or their worker was gone."""
    lateness_p99_seconds: float | None
    """Begin after the due time."""
    left: float = 0.0
    """Never sent: still waiting at the end, for users that waited for the target."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert that was pending or firing. Times are seconds since the load began."""

    name: str
    severity: str
    labels: Mapping[str, str]
    pending_after_seconds: float | None
    firing_after_seconds: float | None
    firing_seconds: float
    """How long it fired, in all."""
    firings: tuple[tuple[float, float], ...] = ()
    """Beginning and end of each time that it fired."""
    active_after_seconds: tuple[float, ...] = ()
    """When each of these times had begun to be pending; its beginning where it had no `for` to wait for."""
    pending_at_end: bool = False
    """Whether the load ended before its `for` had passed."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of the whole run: last raw sample minus first."""

    client_requests: float
    client_failures: float
    server_finished: float | None
    """Requests with this run's id that the server finished; None if it counts none."""


@dataclass(frozen=True, slots=True)
class Figures:
    """All that was measured."""

    client: ClientSide
    server: ServerSide
    steps: tuple[Step, ...]
    saturation: Saturation
    honesty: Honesty
    alerts: tuple[Alert, ...]
    counts: Counts
    invalid: Mapping[str, float]
    """Seconds for which each condition of a valid load test was broken, by condition."""
    blind_seconds: float
    """Longest time for which Prometheus had no page of the load generator."""
    seconds: float
    """How long the load lasted."""
    arrivals: Arrivals | None = None
    """None in a closed loop."""
