"""Counts of an open workload's arrivals, in one process or in all of them together."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from firedrill.contract import ENDPOINT_BOUNDS_SECONDS
from locust_exporter.counting.latency_histogram import GrowingHistogram, LatencyHistogram
from locust_exporter.counting.sanitize import Endpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from locust_exporter.counting.sanitize import Endpoint


START_DELAY: ContextVar[float] = ContextVar("start_delay", default=0.0)
"""Seconds by which the arrival that this greenlet began is late, until its first answer."""


HISTOGRAMS = ("dropped_ages", "backlog_at_end", "start_delay", "response_time")
"""Fields of ArrivalCounts that are one histogram each."""


class ArrivalCounts:
    """Counts since the process began.

    Every offered arrival was started, was dropped, was in the backlog when the load ended, or
    still waits for a user.
    """

    def __init__(self, max_names: int = 200) -> None:
        """Start at zero; of distinct request names, those after `max_names` become `other`."""
        self.offered = 0
        self.started = 0
        self.finished = 0
        """Started arrivals whose user asked for the next one."""
        self.dropped = 0
        self.dropped_ages = GrowingHistogram()
        """Ages of the arrivals that this process dropped."""
        self.backlog_at_end = GrowingHistogram()
        """Ages of arrivals that waited for a user at the end of the load because of the target."""
        self.start_delay = GrowingHistogram()
        """Seconds between the due time of an arrival and its start."""
        self.response_time = GrowingHistogram()
        """Seconds between an arrival's due time and its answer, of all endpoints."""
        self.response_times: dict[Endpoint, GrowingHistogram] = {}
        """The same by endpoint, in this process."""
        self.assigned: Mapping[str, int] = {}
        """Arrivals assigned to each worker but for those it may still begin, on a master."""
        self.backlog_ages: Callable[[], LatencyHistogram] = LatencyHistogram
        """Ages of the arrivals that wait for a user, in a process with users."""
        self.users_awaiting_answers: Callable[[], int] = int
        """Users that wait for the target, in a process with users; set by the exporter."""
        self.is_excluded: Callable[[object, object], bool] = lambda *_: False
        """Whether `response_time` leaves out a request of this type and name."""
        self._endpoints = Endpoints(max_names)
        self._histogram_of: dict[tuple[object, object], GrowingHistogram] = {}

    def count_start(self, delay_seconds: float) -> None:
        """Count an arrival that a user begins."""
        self.started += 1
        self.start_delay.observe(delay_seconds)

    def count_dropped(self, ages_seconds: Sequence[float]) -> None:
        """Count arrivals of these ages that will not be sent."""
        self.dropped += len(ages_seconds)
        for age in ages_seconds:
            self.dropped_ages.observe(age)

    def count_backlog_at_end(self, ages_seconds: Sequence[float]) -> None:
        """Count arrivals of these ages that wait, because of the target, when the load ends."""
        for age in ages_seconds:
            self.backlog_at_end.observe(age)

    def count_answer(self, method: object, name: object, seconds: float) -> None:
        """Count an answer or a failure so many seconds after its arrival was due."""
        histogram = self._histogram_of.get((method, name))
        if histogram is None:
            histogram = self._histogram_of[method, name] = self.response_times.setdefault(
                self._endpoints.of(method, name), GrowingHistogram(ENDPOINT_BOUNDS_SECONDS)
            )
        histogram.observe(seconds)
        if not self.is_excluded(method, name):
            self.response_time.observe(seconds)

    def add(self, other: ArrivalCounts, assigned: int = 0) -> None:
        """Add another process's counts.

        Where it knows of fewer arrivals than it was assigned, those that it neither started nor
        had in its backlog at the end count as dropped.
        """
        offered = max(other.offered, assigned)
        self.offered += offered
        self.started += other.started
        self.finished += other.finished
        if assigned > other.offered:
            self.dropped += offered - other.started - other.backlog_at_end.total
        else:
            self.dropped += other.dropped
        for name in HISTOGRAMS:
            getattr(self, name).add(getattr(other, name).snapshot())

    def to_message(self) -> dict[str, Any]:
        """Return plain values, as Locust's protocol carries them."""
        rows = [
            (*endpoint, *histogram.to_message())
            for endpoint, histogram in self.response_times.items()
        ]
        names = ("offered", "started", "finished", "dropped")
        counts = {name: getattr(self, name) for name in names}
        histograms = {name: getattr(self, name).to_message() for name in HISTOGRAMS}
        return {**counts, **histograms, "response_times": rows}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> ArrivalCounts:
        """Return the counts in a worker's message."""
        arrivals = cls()
        arrivals.offered = message["offered"]
        arrivals.started = message["started"]
        arrivals.finished = message["finished"]
        arrivals.dropped = message["dropped"]
        for name in HISTOGRAMS:
            getattr(arrivals, name).add(LatencyHistogram(*message[name]))
        for method, name, counts, seconds in message["response_times"]:
            arrivals.response_times.setdefault(
                (method, name), GrowingHistogram(ENDPOINT_BOUNDS_SECONDS)
            ).add(LatencyHistogram(tuple(counts), seconds))
        return arrivals
