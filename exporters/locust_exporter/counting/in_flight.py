"""Requests that were sent and not answered, which Locust's statistics do not know."""

from __future__ import annotations

import functools
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from locust_exporter.counting.arrival_counts import LATENESS
from locust_exporter.counting.latency_histogram import Ages
from locust_exporter.counting.response_blocks import block_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

Yielded = TypeVar("Yielded")


STAGES = ("in_flight", "unreported")
"""Where a request was lost."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is in flight at one moment."""

    requests: int = 0
    oldest_seconds: float = 0.0
    starved_users: int = 0
    """Users whose request is older than the threshold."""
    ages: Ages = field(default_factory=Ages)

    def __add__(self, other: Waiting) -> Waiting:
        return Waiting(
            self.requests + other.requests,
            max(self.oldest_seconds, other.oldest_seconds),
            self.starved_users + other.starved_users,
            self.ages + other.ages,
        )


class InFlight:
    """Keeps account of requests between their start and their report.

    Every request that was sent is reported, still in flight, or abandoned: `in_flight` if it was not answered when its user was stopped,
    `unreported` if its answer was lost in a catch_response block that was never left in order.
    """

    def __init__(
        self,
        harmless: tuple[type[BaseException], ...] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`harmless` are exceptions that leave a request only before it is sent or after it was reported."""
        self._sent: dict[object, tuple[float, object, float]] = {}
        """When it was sent, by whom, and how long after it was due."""
        self._harmless = harmless
        self._clock = clock
        self.abandoned = dict.fromkeys(STAGES, 0)
        self.abandoned_ages = Ages()
        """Of those in flight, since they were due."""
        self._block_class: Callable[[Any], type] = functools.cache(
            functools.partial(block_class, self._lose)
        )

    def tracked(self, request: Callable[..., Any]) -> Callable[..., Any]:
        """`request`, a method of a client session, with its time in flight accounted for."""
        sent, clock, harmless, lateness = self._sent, self._clock, self._harmless, LATENESS.get

        @functools.wraps(request)
        def tracking(session: object, *args: Any, **kwargs: Any) -> Any:
            token = object()
            start, late = clock(), lateness()
            sent[token] = (start, session, late)
            try:
                response = request(session, *args, **kwargs)
            except harmless:
                raise
            except BaseException:
                self._abandon(clock() - start + late)
                raise
            finally:
                del sent[token]
            # Reported when its catch_response block is left, not yet.
            if getattr(response, "_catch_response", False):
                response.__class__ = self._block_class(type(response))
            return response

        return tracking

    @contextmanager
    def during(self, block: AbstractContextManager[Yielded], user: object) -> Iterator[Yielded]:
        """`block`, in flight while it lasts, for clients that always report."""
        token = object()
        self._sent[token] = (self._clock(), user, LATENESS.get())
        try:
            with block as value:
                yield value
        finally:
            del self._sent[token]

    def look(self, starvation_seconds: float) -> Waiting:
        """What is in flight now."""
        now = self._clock()
        ages = [now - start for start, _, _ in self._sent.values()]
        starved = {
            id(session)
            for start, session, _ in self._sent.values()
            if now - start > starvation_seconds
        }
        return Waiting(len(ages), max(ages, default=0.0), len(starved), Ages.of(ages))

    def since_due(self) -> Ages:
        """How long ago each request in flight was due, which in an open loop is before it was sent."""
        now = self._clock()
        return Ages.of(now - start + late for start, _, late in self._sent.values())

    def _lose(self) -> None:
        self.abandoned["unreported"] += 1

    def _abandon(self, age_seconds: float) -> None:
        self.abandoned["in_flight"] += 1
        self.abandoned_ages += Ages.of([age_seconds])
