"""The evidence that a diagnosis reads: time series of the stages, and what a request needs.

Times are seconds since the load began. Every series has one point a second, and each point looks
back over two scrapes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from firedrill.diagnosis import queueing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firedrill.profile import Profile
    from firedrill.record.diagnosis import ServiceModel

STAGES = (
    "generator",
    "slots",
    "backlog",
    "file_descriptors",
    "connections",
    "workers",
    "event_loop",
    "downstream",
    "cpu",
)
"""The stages that a request passes, from the client to the handler. The queue is what waits in
front of the workers: it has no limit of its own."""

Points = dict[float, float]
"""Values by time."""


@dataclass(frozen=True, slots=True)
class StageSeries:
    """The use of one stage, and what waits in front of it."""

    used: Points
    """Used share of its limit."""
    waiting: Points = field(default_factory=dict)
    """Requests or connections that wait; for generator and cpu a delay in seconds."""
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class HandlerWindow:
    """The handler over two scrapes."""

    after_seconds: float
    rate: float
    """Requests a second."""
    seconds: float
    """Mean time inside the handler."""
    cpu_used: float | None = None
    """Share of the CPU that the server may use, and did."""
    lag_seconds: float = 0.0
    """Mean time for which a thread waited for the interpreter or a core."""

    @property
    def inside(self) -> float:
        """Mean number of requests inside the handler (Little's law)."""
        return self.rate * self.seconds


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is known of a run's stages."""

    profile: Profile
    seconds: float
    """Length of the load."""
    peak_users: float
    """Most users that ran at once, or slots of an open workload."""
    stages: Mapping[str, StageSeries] = field(default_factory=dict)
    handler: Sequence[HandlerWindow] = ()
    in_flight: Points = field(default_factory=dict)
    """Requests that the clients had sent."""
    model: ServiceModel | None = None
    """None where the server does not tell the time of its requests."""
    handler_seconds: float | None = None
    """Mean time inside the handler; the rest of the time for which a worker is held goes to the
    client."""
    generator_cpu_seconds: float | None = None
    """CPU time of the load generator for a request."""
    processes: int | None = None
    """Processes of the server."""
    cores: float | None = None
    """Cores that the server may use: of its container or machine."""
    settings: Mapping[str, int] = field(default_factory=dict)
    """Settings of the server that are known: threads, connection_limit."""

    @property
    def is_open(self) -> bool:
        """Whether the workload is open."""
        return self.profile.open_loop is not None

    @property
    def peak_rate(self) -> float | None:
        """Requests a second that the load offers at its highest step, without any queueing.

        Closed: users / (think time + service time), the response time law of interactive systems
        (Denning and Buzen 1978). None where the think time or the service time is not known.
        """
        if self.is_open:
            times = range(int(self.seconds) + 1)
            return max(self.profile.load_at(time).rate or 0.0 for time in times) or None
        if self.model is None or self.model.think_seconds is None:
            return None
        cycle = (
            self.model.think_seconds + self.unloaded_service_seconds + self.model.overhead_seconds
        )
        return self.peak_users / cycle

    @property
    def quiet_handler_seconds(self) -> float | None:
        """Mean time in the handler while few requests were in it; None where few never were.

        Few are up to a quarter of the most, at no more than 0.7 of the highest rate.
        """
        most = max((window.inside for window in self.handler), default=0.0)
        fastest = max((window.rate for window in self.handler), default=0.0)
        quiet = [
            window
            for window in self.handler
            if window.inside <= 0.25 * most and 0 < window.rate <= 0.7 * fastest
        ]
        requests = sum(window.rate for window in quiet)
        if requests < FEWEST_QUIET_REQUESTS:
            return None
        return sum(window.inside for window in quiet) / requests

    @property
    def handler_growth(self) -> float | None:
        """Time in the handler at the highest load, by that at a low one; None without a low one."""
        quiet = self.quiet_handler_seconds
        most = max((window.inside for window in self.handler), default=0.0)
        busy = [window.seconds for window in self.handler if window.inside >= 0.75 * most]
        return fmean(busy) / quiet if quiet and busy else None

    @property
    def unloaded_service_seconds(self) -> float:
        """Mean time for which a request holds a worker, without its waits inside the handler."""
        if self.model is None:
            return 0.0
        growth, quiet = self.handler_growth, self.quiet_handler_seconds
        if growth is None or quiet is None or growth < GROWN or self.handler_seconds is None:
            return self.model.mean_seconds
        return self.model.mean_seconds * quiet / self.handler_seconds

    def busy_servers(self, rate: float) -> float:
        """Return the mean number of busy workers at a rate."""
        return queueing.offered_erlangs(rate, self.unloaded_service_seconds)


FEWEST_QUIET_REQUESTS = 30
"""Requests that the mean time of the handler at a low load needs."""

GROWN = 1.5
"""A handler whose time grows by this factor with the load waits for something that is shared."""
