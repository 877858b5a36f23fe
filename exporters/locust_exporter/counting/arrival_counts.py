"""What became of the arrivals of an open loop: in one process, or in all of them together."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from locust_exporter.counting.labels import Endpoints
from locust_exporter.counting.latency_histogram import Ages, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from locust_exporter.counting.labels import Endpoint


LATENESS: ContextVar[float] = ContextVar("lateness", default=0.0)
"""Seconds by which the arrival that this greenlet has begun is late, until the first request of it was answered."""


TALLIES = ("unsent_ages", "left", "lateness")
"""What of Arrivals is one histogram."""


class Arrivals:
    """Counts since the process began. Every arrival that was offered is started, unsent, left, or still waits for a user."""

    def __init__(self, max_names: int = 200) -> None:
        """`max_names` distinct request names; later ones are folded into `other`."""
        self.offered = 0
        self.started = 0
        self.unsent = 0
        self.unsent_ages = Tally()
        """Of those that this process dropped."""
        self.left = Tally()
        """Ages of those that waited when the load ended, and would have been sent if the target had answered."""
        self.lateness = Tally()
        self.from_schedule: dict[Endpoint, Tally] = {}
        """Answers since their arrivals were due, in this process."""
        self.asked: Mapping[str, int] = {}
        """On a master: how many arrivals the schedule has asked of each worker, but for those that it may still begin."""
        self.backlog: Callable[[], Ages] = Ages
        """In a process with users: how long those that still wait for a user have been due."""
        self.awaiting: Callable[[], int] = int
        """In a process with users: how many of them wait for the target. The exporter knows, without it nobody does."""
        self._endpoints = Endpoints(max_names)
        self._tally_of: dict[tuple[object, object], Tally] = {}

    def start(self, late_seconds: float) -> None:
        """A user begins an arrival."""
        self.started += 1
        self.lateness.observe(late_seconds)

    def drop(self, ages_seconds: Sequence[float]) -> None:
        """Arrivals of these ages will not be sent any more."""
        self.unsent += len(ages_seconds)
        for age in ages_seconds:
            self.unsent_ages.observe(age)

    def leave(self, ages_seconds: Sequence[float]) -> None:
        """The load ends while arrivals of these ages wait for users that wait for the target."""
        for age in ages_seconds:
            self.left.observe(age)

    def answer(self, method: object, name: object, seconds: float) -> None:
        """A request was answered or failed, so long after its arrival had been due."""
        tally = self._tally_of.get((method, name))
        if tally is None:
            tally = self._tally_of[method, name] = self.from_schedule.setdefault(
                self._endpoints.of(method, name), Tally()
            )
        tally.observe(seconds)

    def add(self, other: Arrivals, asked: int = 0) -> None:
        """Count another process's as well. If it knows less than it was `asked` for, what it neither started nor left is unsent."""
        offered = max(other.offered, asked)
        self.offered += offered
        self.started += other.started
        self.unsent += (
            offered - other.started - sum(other.left.ages().counts)
            if asked > other.offered
            else other.unsent
        )
        for name in TALLIES:
            getattr(self, name).add(getattr(other, name).ages())

    def to_message(self) -> dict[str, Any]:
        """Plain values, as Locust's protocol carries them."""
        rows = [(*endpoint, *tally.to_message()) for endpoint, tally in self.from_schedule.items()]
        counts = {"offered": self.offered, "started": self.started, "unsent": self.unsent}
        tallies = {name: getattr(self, name).to_message() for name in TALLIES}
        return {**counts, **tallies, "from_schedule": rows}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Arrivals:
        """What a worker sent."""
        arrivals = cls()
        arrivals.offered, arrivals.started, arrivals.unsent = (
            message["offered"],
            message["started"],
            message["unsent"],
        )
        for name in TALLIES:
            getattr(arrivals, name).add(Ages(*message[name]))
        for method, name, counts, seconds in message["from_schedule"]:
            arrivals.from_schedule.setdefault((method, name), Tally()).add(
                Ages(tuple(counts), seconds)
            )
        return arrivals
