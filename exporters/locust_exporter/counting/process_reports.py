"""What a load-generating process knows beyond Locust's statistics, as one message: from a worker to its master, or to itself."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from locust_exporter.counting.arrival_counts import Arrivals
from locust_exporter.counting.in_flight import STAGES, Waiting
from locust_exporter.counting.latency_histogram import Ages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust_exporter.counting.labels import Endpoint
    from locust_exporter.counting.latency_histogram import Tally

logger = logging.getLogger(__name__)

MESSAGE = "firedrill"
"""Type of a worker's message, and the key of the same content in its report."""

UNREPORTED_MESSAGE = "firedrill_unreported"
"""Type of the message with requests that a worker clears from its statistics before it has reported them."""

UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)
"""What reading a message of another version may raise."""

STALE_SECONDS = 5.0
"""A worker silent for longer says nothing about what is in flight."""


@dataclass(frozen=True, slots=True)
class Report:
    """Counters are sums since the process began, so a lost report loses nothing."""

    waiting: Waiting | None
    """None where the start of a request cannot be seen, or not of all users."""
    abandoned: dict[str, int] | None
    """None where the start of no request can be seen."""
    abandoned_ages: Ages
    user_exceptions: int
    cpu_ratio: float | None
    memory_bytes: int
    lag_seconds: float
    lag_max_seconds: float
    arrivals: Arrivals | None = None
    """None where no open loop runs."""
    since_due: Ages | None = None
    """Of an open loop: how long ago the requests in flight, and the arrivals that no user was free for, were due."""
    pacing: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Intervals begun and begun late, by class of users with a fixed pace."""
    received: float = field(default_factory=time.time)
    """Unix time on the receiver's clock."""

    def to_message(self) -> dict[str, Any]:
        """Plain values, as Locust's protocol carries them."""
        return {
            **asdict(replace(self, arrivals=None)),
            "arrivals": self.arrivals and self.arrivals.to_message(),
        }

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Report:
        """The report in a message, received now."""
        waiting = message["waiting"]
        seen = (
            None
            if waiting is None
            else Waiting(**{**waiting, "ages": Ages.from_message(waiting["ages"])})
        )
        abandoned_ages = Ages.from_message(message["abandoned_ages"])
        arrivals = message["arrivals"] and Arrivals.from_message(message["arrivals"])
        since_due = message["since_due"] and Ages.from_message(message["since_due"])
        read = {
            "waiting": seen,
            "abandoned_ages": abandoned_ages,
            "arrivals": arrivals,
            "since_due": since_due,
        }
        abandoned = message["abandoned"]
        counted = None if abandoned is None else {stage: int(abandoned[stage]) for stage in STAGES}
        pacing = {
            str(name): (int(begun), int(late)) for name, (begun, late) in message["pacing"].items()
        }
        return cls(
            **{**message, **read, "abandoned": counted, "pacing": pacing, "received": time.time()}
        )


class Reports:
    """The latest report of every process of the test."""

    def __init__(self) -> None:
        self.latest: dict[str, Report] = {}
        self._foreign: set[str] = set()
        self._most_offered = self._most_unsent = 0

    def receive(self, worker: str, report: Report) -> None:
        """Replace the worker's report."""
        self.latest[worker] = report

    def receive_message(self, worker: str, message: Any) -> None:
        """Replace the worker's report by what it sent. What another version sent is said once and left out."""
        try:
            self.receive(worker, Report.from_message(message))
        except UNREADABLE:
            self.warn_of(worker)

    def warn_of(self, worker: str) -> None:
        """Say once that a worker sends what cannot be read."""
        if worker not in self._foreign:
            logger.warning(
                "Worker %s has another version of the exporter: its requests count, all else of it is unknown",
                worker,
            )
        self._foreign.add(worker)

    def waiting(self) -> Waiting | None:
        """What is in flight in all processes that can tell; None if none can."""
        seen = [report.waiting for report in self._fresh() if report.waiting is not None]
        return sum(seen, start=Waiting()) if seen else None

    def since_due(self) -> Ages | None:
        """How long ago what an open loop waits for was due, in all processes; None where none runs."""
        seen = [report.since_due for report in self._fresh() if report.since_due is not None]
        return sum(seen, start=Ages()) if seen else None

    def _fresh(self) -> list[Report]:
        oldest = time.time() - STALE_SECONDS
        return [report for report in self.latest.values() if report.received > oldest]

    def see_requests(self) -> bool:
        """Whether any process ever saw the start of a request; if not, nothing is known of what was lost either."""
        return any(report.abandoned is not None for report in self.latest.values())

    def abandoned(self, stage: str) -> int:
        """Requests lost at that stage, those of workers that are gone included."""
        return sum(
            report.abandoned[stage]
            for report in self.latest.values()
            if report.abandoned is not None
        )

    def abandoned_ages(self) -> Ages:
        """Of the requests that were lost in flight, those of workers that are gone included."""
        return sum((report.abandoned_ages for report in self.latest.values()), start=Ages())

    def arrivals(self, asked: Mapping[str, int]) -> Arrivals | None:
        """Of all processes, also those that are gone or know nothing of what was asked of them; None where no open loop ran."""
        total = Arrivals()
        seen = {
            worker: report.arrivals
            for worker, report in self.latest.items()
            if report.arrivals is not None
        }
        for worker in dict.fromkeys((*seen, *asked)):
            total.add(seen.get(worker, Arrivals()), asked.get(worker, 0))
        # A worker that was missed and comes back had begun more than it had told; a counter that fell would be taken for a new one.
        total.offered = self._most_offered = max(self._most_offered, total.offered)
        total.unsent = self._most_unsent = max(self._most_unsent, total.unsent)
        return total if seen or asked else None

    def from_schedule(self) -> list[Mapping[Endpoint, Tally]]:
        """Response times from schedule, by process."""
        return [
            report.arrivals.from_schedule
            for report in self.latest.values()
            if report.arrivals is not None
        ]

    def pacing(self) -> dict[str, tuple[int, int]]:
        """Intervals begun and begun late by class of users, those on workers that are gone included."""
        total: dict[str, tuple[int, int]] = {}
        for report in self.latest.values():
            for name, (intervals, missed) in report.pacing.items():
                before = total.get(name, (0, 0))
                total[name] = (before[0] + intervals, before[1] + missed)
        return total

    def user_exceptions(self) -> int:
        """Exceptions that escaped a task, those of workers that are gone included."""
        return sum(report.user_exceptions for report in self.latest.values())
