"""Reports of load-generating processes, kept when a worker is gone, beyond Locust's statistics.

A worker sends its report to the master; the only process of a test reports to itself.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from locust_exporter.counting.arrival_counts import ArrivalCounts
from locust_exporter.counting.exception_kinds import summed
from locust_exporter.counting.in_flight import STAGES, InFlightSnapshot
from locust_exporter.counting.latency_histogram import LatencyHistogram
from locust_exporter.counting.load_phase import PHASES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust_exporter.counting.latency_histogram import GrowingHistogram
    from locust_exporter.counting.sanitize import Endpoint

logger = logging.getLogger(__name__)

MESSAGE = "firedrill"
"""Type of a worker's message, and the key of the same content in its report."""

UNREPORTED_MESSAGE = "firedrill_unreported"
"""Type of the message with requests that a worker cleared before it had reported them."""

NONE_REPORTED: Endpoint = ("", "")
"""Stands for the first unseen request of a class of users that has reported none at all."""

UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)
"""Exceptions that reading a message of another version may raise."""

STALE_SECONDS = 5.0
"""A worker that is silent for longer says nothing about what is in flight."""

MASTER_SILENCE_SECONDS = 10.0
"""A worker under load ends when its master is silent for so long.

Locust itself would send requests that nobody counts for 60 s. The run is void by then. A worker
that waits for a load has Locust's time, because a master may be started again.
"""


def is_orphaned(silent_seconds: float, state: str) -> bool:
    """Return whether a worker in this state of Locust's ends after such a silence of its master."""
    return silent_seconds >= MASTER_SILENCE_SECONDS and state in {"spawning", "running"}


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """The figures of a process; counters are sums since it began, so reports may be lost."""

    in_flight: InFlightSnapshot | None
    """None where users may wait for a request that was not seen to begin."""
    abandoned: dict[str, int] | None
    """Abandoned requests by stage; None where the start of no request can be seen."""
    abandoned_ages: LatencyHistogram
    user_exceptions: int
    cpu_ratio: float | None
    memory_bytes: int
    lag_seconds: float
    lag_max_seconds: float
    arrivals: ArrivalCounts | None = None
    """None where no open workload runs."""
    ages_since_due: LatencyHistogram | None = None
    """Ages of an open workload's requests in flight and backlog, since they were due."""
    unobserved: dict[str, Endpoint] = field(default_factory=dict)
    """Method and name of the first request that was not seen to begin, by class of users."""
    pacing: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Intervals started, and started late, by class of users with a fixed pace."""
    exceptions: list[dict[str, Any]] = field(default_factory=list)
    """Kinds of exceptions in this process's latest test, as ExceptionKinds has them."""
    requests_outside: dict[str, int] = field(default_factory=dict)
    """Requests outside the load, by phase."""
    received: float = field(default_factory=time.time)
    """Unix time on the receiver's clock."""

    def to_message(self) -> dict[str, Any]:
        """Return plain values, as Locust's protocol carries them."""
        return {
            **asdict(replace(self, arrivals=None)),
            "arrivals": self.arrivals and self.arrivals.to_message(),
        }

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> ProcessReport:
        """Return the report in a message, received now."""
        in_flight, abandoned = message["in_flight"], message["abandoned"]
        arrivals, ages_since_due = message["arrivals"], message["ages_since_due"]
        read = {
            "in_flight": None
            if in_flight is None
            else InFlightSnapshot(
                **{**in_flight, "ages": LatencyHistogram.from_message(in_flight["ages"])}
            ),
            "abandoned": None
            if abandoned is None
            else {stage: int(abandoned[stage]) for stage in STAGES},
            "abandoned_ages": LatencyHistogram.from_message(message["abandoned_ages"]),
            "arrivals": arrivals and ArrivalCounts.from_message(arrivals),
            "ages_since_due": ages_since_due and LatencyHistogram.from_message(ages_since_due),
            "unobserved": {
                str(user_class): (str(method), str(name))
                for user_class, (method, name) in message["unobserved"].items()
            },
            "requests_outside": {
                phase: int(message["requests_outside"].get(phase, 0)) for phase in PHASES
            },
            "exceptions": summed([message["exceptions"]]),
            "pacing": {
                str(name): (int(begun), int(late))
                for name, (begun, late) in message["pacing"].items()
            },
        }
        return cls(**{**message, **read, "received": time.time()})


class ProcessReports:
    """The latest report of every process of the test."""

    def __init__(self) -> None:
        self.latest: dict[str, ProcessReport] = {}
        self._warned_of: set[str] = set()
        self._first_unseen: dict[str, Endpoint] = {}
        self._most_offered = self._most_dropped = 0

    def receive(self, worker: str, report: ProcessReport) -> None:
        """Replace the worker's report."""
        self.latest[worker] = report

    def receive_message(self, worker: str, message: Any) -> None:
        """Replace the worker's report by its message; warn once if it cannot be read."""
        try:
            self.receive(worker, ProcessReport.from_message(message))
        except UNREADABLE:
            self.warn_of_version(worker)

    def warn_of_version(self, worker: str) -> None:
        """Warn, once for each worker, that its messages cannot be read."""
        if worker not in self._warned_of:
            logger.warning(
                "Worker %s runs another version of the exporter: its requests are counted, its"
                " requests in flight, arrivals and CPU are unknown; install one version everywhere",
                worker,
            )
        self._warned_of.add(worker)

    def in_flight(self) -> InFlightSnapshot | None:
        """Return the requests in flight in all processes; None where users may wait unseen."""
        if self.unobserved():
            return None
        known = [report.in_flight for report in self._fresh() if report.in_flight is not None]
        return sum(known, start=InFlightSnapshot()) if known else None

    def unobserved(self) -> dict[str, Endpoint]:
        """Return the first unseen request by class of users, on workers that are gone as well.

        The request of a class stays the same once there is one, because it becomes a label.
        """
        classes: dict[str, Endpoint] = {}
        for report in self.latest.values():
            classes |= report.unobserved
            for user_class, request in report.unobserved.items():
                if request != NONE_REPORTED:
                    self._first_unseen.setdefault(user_class, request)
        return classes | self._first_unseen

    def ages_since_due(self) -> LatencyHistogram | None:
        """Return the ages of all that an open workload waits for; None where none runs."""
        known = [
            report.ages_since_due for report in self._fresh() if report.ages_since_due is not None
        ]
        return sum(known, start=LatencyHistogram()) if known else None

    def _fresh(self) -> list[ProcessReport]:
        oldest = time.time() - STALE_SECONDS
        return [report for report in self.latest.values() if report.received > oldest]

    def see_request_starts(self) -> bool:
        """Return whether any process sees requests start; else abandoned ones are unknown."""
        return any(report.abandoned is not None for report in self.latest.values())

    def abandoned(self, stage: str) -> int:
        """Return the requests abandoned at that stage, those of workers that are gone included."""
        return sum(
            report.abandoned[stage]
            for report in self.latest.values()
            if report.abandoned is not None
        )

    def abandoned_ages(self) -> LatencyHistogram:
        """Return the ages of requests abandoned in flight, on workers that are gone as well."""
        return sum(
            (report.abandoned_ages for report in self.latest.values()), start=LatencyHistogram()
        )

    def arrivals(self, assigned: Mapping[str, int]) -> ArrivalCounts | None:
        """Return the arrivals of all processes; None where no open workload ran.

        Processes that are gone, or know nothing of the arrivals they were assigned, are included.
        """
        total = ArrivalCounts()
        counts = {
            worker: report.arrivals
            for worker, report in self.latest.items()
            if report.arrivals is not None
        }
        for worker in dict.fromkeys((*counts, *assigned)):
            total.add(counts.get(worker, ArrivalCounts()), assigned.get(worker, 0))
        # A worker that was missing and comes back had begun more than it had reported; a counter
        # that fell would be taken for a reset.
        total.offered = self._most_offered = max(self._most_offered, total.offered)
        total.dropped = self._most_dropped = max(self._most_dropped, total.dropped)
        return total if counts or assigned else None

    def response_times(self) -> list[Mapping[Endpoint, GrowingHistogram]]:
        """Return the response times since the due time, by process."""
        return [
            report.arrivals.response_times
            for report in self.latest.values()
            if report.arrivals is not None
        ]

    def pacing(self) -> dict[str, tuple[int, int]]:
        """Return intervals started, and started late by class of users, of all workers ever."""
        total: dict[str, tuple[int, int]] = {}
        for report in self.latest.values():
            for name, (intervals, missed) in report.pacing.items():
                before = total.get(name, (0, 0))
                total[name] = (before[0] + intervals, before[1] + missed)
        return total

    def user_exceptions(self) -> int:
        """Return the exceptions that escaped a task, on workers that are gone as well."""
        return sum(report.user_exceptions for report in self.latest.values())

    def requests_outside(self, phase: str) -> int:
        """Return the requests outside the load in that phase, of workers that are gone as well."""
        return sum(report.requests_outside.get(phase, 0) for report in self.latest.values())

    def exceptions(self, own: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the kinds of exceptions of all processes that report, and of this one's own."""
        return summed([own, *(report.exceptions for report in self.latest.values())])
