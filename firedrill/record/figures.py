"""The figures of a run: plain frozen records, as they stand in run.json.

Units: seconds, ratios from 0 to 1, requests a second. None means that there is no such figure:
nothing was measured, or it cannot be measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

EARLY_SECONDS = 1.0
"""A load may end earlier by this much; Locust looks at its profile once a second."""

Latency = Mapping[str, float | None]
"""Seconds by `p50`, `p90`, `p95`, `p99`, `p99.9`, `mean` and `max`, each within 3 %."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of Unix time."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """The length."""
        return self.end - self.start

    def falls_short(self, planned_seconds: float | None) -> bool:
        """Return whether a load ended before its planned length (None: until it is stopped)."""
        return planned_seconds is not None and self.seconds < planned_seconds - EARLY_SECONDS


@dataclass(frozen=True, slots=True)
class ClientSide:
    """The figures that the load generator measured."""

    latency_seconds: Latency
    """Latency of answered requests, as Locust itself would report it."""
    latency_including_waiting_seconds: Latency
    """With requests that were waiting or abandoned at the end, at the age they had: a lower bound.

    In an open workload every request counts from the moment it was due. So do arrivals that were
    dropped, or waited for a user when the load ended.
    """
    slower_than_slo: Mapping[str, float | None]
    """Share of requests slower than each latency objective; dropped arrivals count as slower.

    None where no request has a time.
    """
    rate: float | None
    """Requests answered a second."""
    offered_rate: float | None
    """Open workload: arrivals due a second. Closed: requests a second without any queueing."""
    error_ratio: float | None
    """Failed share of the requests that were answered or hung; a hung request counts as failed."""
    latency_from_schedule_seconds: Latency | None = None
    """Latency of answered requests from the moment they were due; None in a closed workload."""
    at_least: tuple[str, ...] = ()
    """Percentiles of the latency with the waiting that are lower bounds."""
    standard_error_seconds: Latency = field(default_factory=dict)
    """Standard error of each statistic of the latency with the waiting, of independent requests."""


@dataclass(frozen=True, slots=True)
class EndpointFigures:
    """The requests to one endpoint that the load generator saw after the warm-up."""

    method: str
    name: str
    requests: float
    rate: float | None
    """Requests a second."""
    failures: float
    latency_seconds: Latency
    """Empty where the load generator did not live to report it."""
    slower_than_slo: Mapping[str, float | None]
    """Share of requests slower than each latency objective of this endpoint."""
    is_excluded: bool = False
    """Whether the profile leaves it out of rates, errors and objectives."""

    @property
    def label(self) -> str:
        """Method and name."""
        return f"{self.method} {self.name}".strip()

    @property
    def error_ratio(self) -> float | None:
        """Failed share of the requests; None without any."""
        return self.failures / self.requests if self.requests else None


@dataclass(frozen=True, slots=True)
class ServerSide:
    """The figures that the API measured."""

    latency_seconds: Latency
    """From accepting the connection to handing the response over: queue wait and handler."""
    handler_latency_seconds: Latency
    """Inside the handler; blind to queueing."""
    queue_wait_seconds: Latency
    rate: float | None
    error_ratio: float | None


@dataclass(frozen=True, slots=True)
class StepFigures:
    """The figures of one step of the load profile."""

    index: int
    start_seconds: float
    end_seconds: float
    users: int
    """In an open workload: the slots for its arrivals."""
    client: ClientSide
    server: ServerSide
    arrival_rate: float | None = None
    """Arrivals a second that the profile asks for; None in a closed workload."""
    users_measured: float | None = None
    """Most users that ran, where the locustfile's own load shape replaced the profile's."""


@dataclass(frozen=True, slots=True)
class Saturation:
    """The use of each limited resource of the server."""

    largest_ratio: Mapping[str, float]
    """Highest use of a limit that held for three seconds, by resource."""
    ran_out_first: str | None
    """The first saturated stage of the API: nine tenths of its limit in use while something waited.

    The diagnosis tells whether it is the bottleneck or a consequence of one.
    """
    ran_out_after_seconds: float | None
    nearest: str | None
    """The resource that came nearest to its limit."""


@dataclass(frozen=True, slots=True)
class UnobservedUsers:
    """A class of users that may have waited unseen."""

    user_class: str
    method: str
    """Method of the first request that was not seen to begin; "" where none was reported."""
    name: str

    @property
    def has_request(self) -> bool:
        """Whether a request was reported that was not seen to begin."""
        return bool(self.method or self.name)


@dataclass(frozen=True, slots=True)
class MeasurementQuality:
    """Requests that no latency figure shows, and the health of the load generator."""

    in_flight_max: float | None
    oldest_max_seconds: float | None
    """Age of the oldest request in flight."""
    starved_max: float | None
    """Most users that were starved at once; None if users may have waited unseen."""
    starved_sustained: float | None
    """Most users that were starved at once for five seconds without a break."""
    abandoned: Mapping[str, float | None]
    """Requests that are in no statistic, by stage: in_flight, unreported; None: not visible."""
    generator_cpu_max_ratio: float | None
    generator_lag_ratio: float | None
    """Share of the time by which the generator's event loop was late."""
    hung: float | None = None
    """Hung requests counted as failed.

    They were given up after the warm-up, after a longer wait than one second, than every latency
    objective and than every answer.
    """
    unobserved: tuple[UnobservedUsers, ...] = ()
    """Classes of users that may have waited unseen; starved users are those of the others."""
    exceptions: float | None = None
    """Tasks that ended with an exception and did not send the rest of their requests."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The schedule of an open workload, counted over the whole run."""

    offered: float
    """Arrivals that were due."""
    started: float
    unsent: float
    """Dropped arrivals: all users were busy for too long, or their worker was gone."""
    lateness_p99_seconds: float | None
    """Start delay: from the due time to the start."""
    left: float = 0.0
    """Backlog at the end: arrivals that still waited for users that waited for the target."""
    finished: float | None = None
    """Arrivals whose user had finished its task by the end of the load."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that was pending or firing. Times are seconds since the load began."""

    name: str
    severity: str
    labels: Mapping[str, str]
    pending_after_seconds: float | None
    firing_after_seconds: float | None
    firing_seconds: float
    """Sum of all the times that it fired."""
    firings: tuple[tuple[float, float], ...] = ()
    """Begin and end of each firing."""
    active_after_seconds: tuple[float, ...] = ()
    """Begin of the pending time before each firing; the firing's own begin without a `for`."""
    pending_at_end: bool = False
    """Whether the load ended before its `for` had passed."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of the whole run: last raw sample minus first."""

    client_requests: float | None
    client_failures: float | None
    server_finished: float | None
    """Requests with this run's id that the server finished; None if it counts none.

    The counts of restarted processes are added up.
    """
    comparable: bool | None = None
    """Whether the server's count holds every request that it finished.

    It lacks those after the last scrape of a process that restarted or ended. None without a count.
    """
    outside_load: Mapping[str, float] = field(default_factory=dict)
    """Requests sent in set-up and tear-down, by phase; no other figure of the client has them."""


@dataclass(frozen=True, slots=True)
class Restarts:
    """Restarts of the processes that one Prometheus job scrapes, during the load."""

    job: str
    instances: int
    """Scraped instances of the job."""
    restarted: int
    """Instances whose process restarted."""
    restarts: int
    """Restarts of all instances together."""
    counter_resets: int = 0
    """How often a counter fell on instances without a known restart."""
    counter: str | None = None
    """The counter that fell most often there."""
    mixed: int = 0
    """Instances at which several processes answered in turn, each with its own counts."""


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of a run."""

    client: ClientSide
    server: ServerSide
    steps: tuple[StepFigures, ...]
    saturation: Saturation
    honesty: MeasurementQuality
    """The measurement quality."""
    alerts: tuple[Alert, ...]
    counts: Counts
    invalid: Mapping[str, float]
    """Seconds for which each condition of a valid load test was broken, by condition."""
    blind_seconds: float | None
    """Longest gap between two scrapes of the load generator."""
    seconds: float | None
    """Length of the load."""
    arrivals: Arrivals | None = None
    """None in a closed workload."""
    endpoints: tuple[EndpointFigures, ...] = ()
    """Requests by method and name, the most first."""
    restarts: tuple[Restarts, ...] = ()
    """Restarts of what was scraped; empty where nothing restarted."""
    setup_seconds: float | None = None
    """Time before the load in which listeners of test_start ran."""
    teardown_seconds: float | None = None
    """Time after the load in which users stopped and listeners of test_stop ran."""
