"""Requests that were sent and not answered, which Locust's statistics do not know."""

from __future__ import annotations

import functools
import time
from contextlib import ContextDecorator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from locust_exporter.counting.arrival_counts import START_DELAY
from locust_exporter.counting.latency_histogram import LatencyHistogram
from locust_exporter.counting.load_phase import OUTSIDE_LOAD

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

STAGES = ("in_flight", "unreported")
"""Stages at which a request can be abandoned."""


_REPORTING: ContextVar[SentRequest | None] = ContextVar("reporting", default=None)
"""The request whose event this greenlet may fire: it was seen to begin."""


@dataclass(frozen=True, slots=True)
class InFlightSnapshot:
    """The requests in flight at one moment."""

    requests: int = 0
    oldest_seconds: float = 0.0
    """Age of the oldest request that a user waits for."""
    starved_users: int = 0
    """Users that wait for a request that is older than the threshold."""
    ages: LatencyHistogram = field(default_factory=LatencyHistogram)
    """Ages of the requests whose answer has not begun."""

    def __add__(self, other: InFlightSnapshot) -> InFlightSnapshot:
        return InFlightSnapshot(
            self.requests + other.requests,
            max(self.oldest_seconds, other.oldest_seconds),
            self.starved_users + other.starved_users,
            self.ages + other.ages,
        )


@dataclass(slots=True, eq=False)
class SentRequest:
    """A request in flight. It holds nothing of the user's, who may keep the answer for ever."""

    sent: float
    start_delay: float
    user: int
    """Identity of the client session, or of the greenlet."""
    awaits_answer: bool = True
    """Until the head of the answer has arrived; its body may be left to read then."""
    readers: int = 0
    """Greenlets that are blocked in a read of the body."""
    is_reported: bool = False
    is_abandoned: bool = False
    is_excluded: bool = False
    """Whether the profile leaves it out of everything that is judged."""

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for it. An answer that is kept unread delays nobody."""
        return self.awaits_answer or self.readers > 0


class InFlight:
    """Keeps account of requests from their start until their body was read, closed or dropped.

    Every request that was sent is reported, still in flight, or abandoned: `in_flight` if its user
    was stopped, or its connection broke, before it was answered or its body was read; `unreported`
    if its answer was lost in a catch_response block that was never left in order. Where only the
    body was lost, Locust may have reported the request with the time to its head.
    """

    def __init__(
        self,
        harmless: tuple[type[BaseException], ...] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Start empty.

        `harmless` are exceptions that leave a request only before it is sent or after its report.
        """
        self._sent: set[SentRequest] = set()
        self._harmless = harmless
        self._clock = clock
        self.is_load_on: Callable[[], bool] = lambda: True
        """Whether the load is on; requests sent in set-up or tear-down are not tracked."""
        self.is_excluded: Callable[[object, object], bool] | None = None
        """Whether the profile leaves out requests of this method and name; None: none."""
        self.count_outside: Callable[[], None] = lambda: None
        """Called for each of those that ends without a report."""
        self.abandoned = dict.fromkeys(STAGES, 0)
        self.abandoned_ages = LatencyHistogram()
        """Ages, since they were due, of the requests that were abandoned in flight."""
        self._response_class: Callable[[Any], type] = functools.cache(
            functools.partial(reporting_response_class, self._count_unreported)
        )

    def tracked(
        self,
        request: Callable[..., Any],
        watch_body: Callable[[Any, InFlight, SentRequest], bool] = lambda *_: False,
    ) -> Callable[..., Any]:
        """Wrap `request`, a method of a client session, to account for its time in flight.

        `watch_body` tells the account when the body of a response is read, and returns whether
        there is one left to read.
        """
        sent, clock, harmless, start_delay = (
            self._sent,
            self._clock,
            self._harmless,
            START_DELAY.get,
        )
        begin_report, end_report = _REPORTING.set, _REPORTING.reset

        @functools.wraps(request)
        def tracking(session: object, *args: Any, **kwargs: Any) -> Any:
            if not self.is_load_on():
                return self._request_outside(request, session, *args, **kwargs)
            own = SentRequest(clock(), start_delay(), id(session))
            if self.is_excluded is not None:
                own.is_excluded = self._excludes(session, *args, **kwargs)
            sent.add(own)
            before = begin_report(own)
            try:
                response = request(session, *args, **kwargs)
            except harmless:
                sent.discard(own)
                raise
            except BaseException:
                self.abandon(own)
                raise
            finally:
                end_report(before)
            own.awaits_answer = False
            try:
                has_unread_body = watch_body(response, self, own)
            except Exception:  # noqa: BLE001 - a client of another version; its user must not notice
                has_unread_body = False
            if not has_unread_body:
                sent.discard(own)
            # A response with a catch_response block is reported when the block is left.
            if getattr(response, "_catch_response", False):
                response._sent_as = own  # noqa: SLF001 - an attribute of our own
                response.__class__ = self._response_class(type(response))
            return response

        return tracking

    def _excludes(self, session: object, *args: Any, **kwargs: Any) -> bool:
        """Return whether the profile excludes a request, by its name as far as that is known."""
        method, url, name, *_ = (*args, None, None, None)
        renamed = getattr(session, "request_name", None)
        name = kwargs.get("name", name) or renamed or kwargs.get("url", url)
        return self.excludes(kwargs.get("method", method), name)

    def excludes(self, method: object, name: object) -> bool:
        """Return whether the profile leaves out requests of this method and name; never raise."""
        try:
            return self.is_excluded is not None and self.is_excluded(method, name)
        except Exception:  # noqa: BLE001 - whatever a name's own methods raise
            return False

    def _request_outside(self, request: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Send a request in set-up or tear-down."""
        try:
            return request(*args, **kwargs)
        except self._harmless:
            raise
        except BaseException:
            self.count_outside()
            raise

    def tracked_block(
        self, block: AbstractContextManager[Any], user: object, *, is_excluded: bool = False
    ) -> AbstractContextManager[Any]:
        """Return `block` as a request in flight, for clients that always report."""
        if not self.is_load_on():
            return block
        own = SentRequest(self._clock(), START_DELAY.get(), id(user), is_excluded=is_excluded)
        return TrackedBlock(self, block, own)

    def tracked_log(
        self, log_request: Callable[..., None], on_unseen: Callable[[object, object], None]
    ) -> Callable[..., None]:
        """Wrap `log_request` of Locust's statistics, which gets every request that is reported.

        `on_unseen` gets method and name of those that were not seen to begin. Each that was may be
        reported once.
        """
        reporting = _REPORTING.get

        @functools.wraps(log_request)
        def log(
            stats: object, method: object, name: object, response_time: object, length: object
        ) -> None:
            own = reporting()
            if OUTSIDE_LOAD.get():
                pass
            elif own is None or own.is_reported:
                on_unseen(method, name)
            else:
                own.is_reported = True
            log_request(stats, method, name, response_time, length)

        return log

    def begin(self, request: SentRequest) -> None:
        """Count a request as in flight."""
        self._sent.add(request)

    def end(self, request: SentRequest) -> None:
        """Count a request as over. A finalizer may call this."""
        self._sent.discard(request)

    def abandon(self, request: SentRequest) -> None:
        """Count a request as over whose answer, or the rest of whose body, nobody will have."""
        self._sent.discard(request)
        if not request.is_abandoned and not request.is_excluded:
            request.is_abandoned = True
            self.abandoned["in_flight"] += 1
            age = self._clock() - request.sent + request.start_delay
            self.abandoned_ages += LatencyHistogram.of([age])

    def snapshot(
        self, starvation_seconds: float, *, with_excluded: bool = False
    ) -> InFlightSnapshot:
        """Return the requests in flight now; users starve from `starvation_seconds` on."""
        now = self._clock()
        sent = [  # a copy: finalizers change the set
            request for request in list(self._sent) if with_excluded or not request.is_excluded
        ]
        awaited = [(now - request.sent, request.user) for request in sent if request.is_awaited]
        return InFlightSnapshot(
            len(sent),
            max((age for age, _ in awaited), default=0.0),
            len({user for age, user in awaited if age > starvation_seconds}),
            LatencyHistogram.of(now - request.sent for request in sent if request.awaits_answer),
        )

    def ages_since_due(self) -> LatencyHistogram:
        """Return ages since requests were due, in an open workload before they are sent."""
        now = self._clock()
        return LatencyHistogram.of(
            now - request.sent + request.start_delay
            for request in list(self._sent)
            if request.awaits_answer and not request.is_excluded
        )

    def _count_unreported(self) -> None:
        self.abandoned["unreported"] += 1


class TrackedBlock(ContextDecorator):
    """A context manager that reports a request when it is left, as a request in flight."""

    def __init__(
        self, in_flight: InFlight, block: AbstractContextManager[Any], request: SentRequest
    ) -> None:
        """Wrap `block`."""
        self._in_flight = in_flight
        self._block = block
        self._request = request

    def __enter__(self) -> Any:
        """Enter the block."""
        value = self._block.__enter__()
        self._in_flight.begin(self._request)
        return value

    def __exit__(self, *exception: Any) -> bool | None:  # noqa: PYI036 - passed on
        """Leave the block, which reports its request."""
        before = _REPORTING.set(self._request)
        try:
            return self._block.__exit__(*exception)
        finally:
            _REPORTING.reset(before)
            self._in_flight.end(self._request)


def reporting_response_class(count_unreported: Callable[[], None], base: Any) -> type:
    """Return a subclass of a response with a catch_response block.

    It calls `count_unreported` when a response is dropped without having been reported.
    """

    class Response(base):  # type: ignore[misc]
        _is_unreported = True

        _sent_as: SentRequest

        def _report_request(self, *args: Any) -> None:
            self._is_unreported = False
            before = _REPORTING.set(self._sent_as)
            try:
                super()._report_request(*args)
            finally:
                _REPORTING.reset(before)

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
                # Counted already where its body was abandoned.
                if not self._sent_as.is_abandoned:
                    count_unreported()

    Response.__name__ = Response.__qualname__ = base.__name__
    return Response
