"""Requests that were sent and not answered, which Locust's statistics do not know."""

from __future__ import annotations

import functools
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from locust_exporter.counting.arrival_counts import START_DELAY
from locust_exporter.counting.latency_histogram import LatencyHistogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

Yielded = TypeVar("Yielded")


STAGES = ("in_flight", "unreported")
"""Stages at which a request can be abandoned."""


@dataclass(frozen=True, slots=True)
class InFlightSnapshot:
    """The requests in flight at one moment."""

    requests: int = 0
    oldest_seconds: float = 0.0
    starved_users: int = 0
    """Users whose request is older than the threshold."""
    ages: LatencyHistogram = field(default_factory=LatencyHistogram)

    def __add__(self, other: InFlightSnapshot) -> InFlightSnapshot:
        return InFlightSnapshot(
            self.requests + other.requests,
            max(self.oldest_seconds, other.oldest_seconds),
            self.starved_users + other.starved_users,
            self.ages + other.ages,
        )


class InFlight:
    """Keeps account of requests between their start and their report.

    Every request that was sent is reported, still in flight, or abandoned: `in_flight` if it was
    not answered when its user was stopped, `unreported` if its answer was lost in a catch_response
    block that was never left in order.
    """

    def __init__(
        self,
        harmless: tuple[type[BaseException], ...] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Start empty.

        `harmless` are exceptions that leave a request only before it is sent or after its report.
        """
        self._sent: dict[object, tuple[float, object, float]] = {}
        """Send time, session or user, and start delay, by a token for each request."""
        self._harmless = harmless
        self._clock = clock
        self.is_load_on: Callable[[], bool] = lambda: True
        """Whether the load is on; requests sent in set-up or tear-down are not tracked."""
        self.count_outside: Callable[[], None] = lambda: None
        """Called for each of those that ends without a report."""
        self.abandoned = dict.fromkeys(STAGES, 0)
        self.abandoned_ages = LatencyHistogram()
        """Ages, since they were due, of the requests that were abandoned in flight."""
        self._response_class: Callable[[Any], type] = functools.cache(
            functools.partial(reporting_response_class, self._count_unreported)
        )

    def tracked(self, request: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap `request`, a method of a client session, to account for its time in flight."""
        sent, clock, harmless, start_delay = (
            self._sent,
            self._clock,
            self._harmless,
            START_DELAY.get,
        )

        @functools.wraps(request)
        def tracking(session: object, *args: Any, **kwargs: Any) -> Any:
            if not self.is_load_on():
                return self._request_outside(request, session, *args, **kwargs)
            token = object()
            start, delay = clock(), start_delay()
            sent[token] = (start, session, delay)
            try:
                response = request(session, *args, **kwargs)
            except harmless:
                raise
            except BaseException:
                self._count_abandoned(clock() - start + delay)
                raise
            finally:
                del sent[token]
            # A response with a catch_response block is reported when the block is left.
            if getattr(response, "_catch_response", False):
                response.__class__ = self._response_class(type(response))
            return response

        return tracking

    def _request_outside(self, request: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return request(*args, **kwargs)
        except self._harmless:
            raise
        except BaseException:
            self.count_outside()
            raise

    @contextmanager
    def tracked_block(
        self, block: AbstractContextManager[Yielded], user: object
    ) -> Iterator[Yielded]:
        """Run `block` as a request in flight, for clients that always report."""
        if not self.is_load_on():
            with block as value:
                yield value
            return
        token = object()
        self._sent[token] = (self._clock(), user, START_DELAY.get())
        try:
            with block as value:
                yield value
        finally:
            del self._sent[token]

    def snapshot(self, starvation_seconds: float) -> InFlightSnapshot:
        """Return the requests in flight now; users starve from `starvation_seconds` on."""
        now = self._clock()
        ages = [now - start for start, _, _ in self._sent.values()]
        starved = {
            id(session)
            for start, session, _ in self._sent.values()
            if now - start > starvation_seconds
        }
        return InFlightSnapshot(
            len(ages), max(ages, default=0.0), len(starved), LatencyHistogram.of(ages)
        )

    def ages_since_due(self) -> LatencyHistogram:
        """Return ages since requests were due, which in an open loop is before they are sent."""
        now = self._clock()
        return LatencyHistogram.of(now - start + delay for start, _, delay in self._sent.values())

    def _count_unreported(self) -> None:
        self.abandoned["unreported"] += 1

    def _count_abandoned(self, age_seconds: float) -> None:
        self.abandoned["in_flight"] += 1
        self.abandoned_ages += LatencyHistogram.of([age_seconds])


def reporting_response_class(count_unreported: Callable[[], None], base: Any) -> type:
    """Return a subclass of a response with a catch_response block.

    It calls `count_unreported` when a response is dropped without having been reported.
    """

    class Response(base):  # type: ignore[misc]
        _is_unreported = True

        def _report_request(self, *args: Any) -> None:
            self._is_unreported = False
            super()._report_request(*args)

        def __exit__(self, *exception: object) -> Any:
            try:
                return super().__exit__(*exception)
            finally:
                self._count_if_unreported()

        def __del__(self) -> None:
            self._count_if_unreported()

        def _count_if_unreported(self) -> None:
            if self._is_unreported:
                self._is_unreported = False
                count_unreported()

    Response.__name__ = Response.__qualname__ = base.__name__
    return Response
