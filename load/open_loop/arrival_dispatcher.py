"""The arrival dispatcher: gives due arrivals to users, counts offered and dropped ones."""

from __future__ import annotations

import logging
import random
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import gevent
from gevent.hub import Waiter
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_WAITING
from locust_exporter.counting import sanitize
from locust_exporter.counting.arrival_counts import START_DELAY
from locust_exporter.counting.latency_histogram import LatencyHistogram
from locust_exporter.counting.load_phase import OUTSIDE_LOAD
from locust_exporter.time_slice import TimeSlice

from .backlog import PATIENCE_SECONDS, STOP_SECONDS, Backlog, held_by_target
from .idle_connections import close_connections
from .schedule import schedule_of
from .schedule_shards import ProcessSchedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust_exporter.counting.arrival_counts import ArrivalCounts

    from firedrill.profile import Profile

    from .live_rates import LiveRates
    from .schedule_shards import Shard

logger = logging.getLogger(__name__)

LOOKAHEAD_SECONDS = 0.1
"""How far ahead a process computes which arrivals are its own."""


class ArrivalDispatcher:
    """Wakes waiting users for due arrivals; a user that is done takes an overdue one itself."""

    def __init__(
        self, profile: Profile, arrivals: ArrivalCounts, live: LiveRates | None = None
    ) -> None:
        self._profile = profile
        self._live = live
        self._is_resting = False
        self._arrivals = arrivals
        arrivals.backlog_ages = lambda: LatencyHistogram.of(self._backlog.ages(self._now()))
        self._began = 0.0
        self._schedule = ProcessSchedule(schedule_of(profile, live))
        self._has_shard = False
        self._upcoming: deque[float] = deque()
        """Due times up to `_computed_until`."""
        self._computed_until = 0.0
        self._backlog = Backlog(PATIENCE_SECONDS)
        self._working: WeakSet[Any] = WeakSet()
        """Users that work on an arrival."""
        # The user that came last is woken first: its connection is the least likely to be closed.
        self._idle_users: defaultdict[str, dict[Waiter, Any]] = defaultdict(dict)
        self._timer: Any = None
        self.time_slice = TimeSlice(lambda: gevent.sleep(0))
        """Limits users that begin one overdue arrival after the other and never wait."""
        self._next_weighing = 0.0
        self._count_users: Callable[[], dict[str, int]] = dict
        self._class_weights: tuple[list[str], list[int]] = ([], [])

    def begin_load(self, elapsed_seconds: float, environment: Any) -> None:
        """Begin a load that started so long ago. Harmless if it has begun already."""
        if self._timer:
            return
        self._began = time.perf_counter() - elapsed_seconds
        self._schedule = ProcessSchedule(schedule_of(self._profile, self._live))
        self._upcoming, self._computed_until = deque(), 0.0
        self._count_users = lambda: (
            environment.runner.user_classes_count if environment.runner else {}
        )
        weights = {
            user.__name__: user.fixed_count or user.weight for user in environment.user_classes
        }
        self._class_weights = (
            list(weights),
            list(weights.values()) if any(weights.values()) else [1] * len(weights),
        )
        self._next_weighing = 0.0
        self._dispatch_in(0.0)

    def add_shard(self, shard: Shard) -> None:
        """Take over more arrivals of the schedule."""
        self._schedule.add_shard(shard)
        self._has_shard = True

    def warn_without_shard(self) -> None:
        """Warn that this worker has no shard, as where its master plays no open profile."""
        if not self._has_shard:
            logger.warning(
                "No arrivals of %s were assigned to this worker:"
                " was the master started with the same --load-profile?",
                self._profile.name,
            )

    def end_load(self) -> None:
        """End the load, and count what waits as backlog at the end or as dropped.

        It is backlog as far as users wait for the target, what came due while the process stood
        still included. The rest is dropped, because no user was there or users were computing.
        """
        self._collect_due(STOP_SECONDS)
        if self._timer:
            self._timer.close()
        self._timer, self._has_shard = None, False
        ages = self._backlog.clear(self._now())
        idle = sum(map(len, self._idle_users.values()))
        busy = sum(self._count_users().values()) - idle
        held = held_by_target(len(ages), busy, self._arrivals.users_awaiting_answers())
        self._arrivals.count_backlog_at_end(ages[:held])
        self._arrivals.count_dropped(ages[held:])

    def wait_for_arrival(self, user: Any) -> None:
        """Return when the user has an arrival to begin."""
        if user in self._working:
            self._arrivals.finished += 1
            self._working.discard(user)
        self._collect_due()
        due = self._backlog.take(type(user).__name__)
        if due is None:
            due = self._wait_idle(user)
        delay = self._now() - due
        self._arrivals.count_start(delay)
        self._working.add(user)
        START_DELAY.set(delay)

    def on_request(
        self, request_type: object, name: object, response_time: object, **_: Any
    ) -> None:
        """Count an answer, on Locust's event.

        The first request of an arrival that is judged was to be sent when the arrival was due,
        later ones when they were sent.
        """
        if OUTSIDE_LOAD.get():
            return
        delay = START_DELAY.get()
        if not self._arrivals.is_excluded(request_type, name):
            START_DELAY.set(0.0)
        milliseconds = sanitize.milliseconds(response_time)
        if milliseconds is not None:
            self._arrivals.count_answer(request_type, name, delay + milliseconds / 1000)

    def _now(self) -> float:
        return time.perf_counter() - self._began

    def _wait_idle(self, user: Any) -> float:
        """Wait until an arrival wakes the user; return the arrival's due time."""
        idle, waiter = self._idle_users[type(user).__name__], Waiter()
        idle[waiter] = user
        if self._is_resting:
            close_connections(user)
        user._state = LOCUST_STATE_WAITING  # noqa: SLF001 - so that Locust stops it at once
        try:
            due = waiter.get()
        finally:
            idle.pop(waiter, None)
        user._state = LOCUST_STATE_RUNNING  # noqa: SLF001
        return float(due)

    def _dispatch_in(self, seconds: float) -> None:
        self._timer = gevent.get_hub().loop.timer(seconds)
        self._timer.start(self._dispatch)

    def _dispatch(self) -> None:
        """Wake users for the arrivals that are due.

        The event loop calls this itself, so it can start users one after the other. Greenlets that
        ask it to are served 50 at a time, between the answers to all others: the last of a crowd
        waited for 0.2 s.
        """
        self.time_slice.restart()
        try:
            if self._now() >= self._next_weighing:
                self._weigh_classes()
                self._follow_rest()
                self._next_weighing = self._now() + 1.0
            self._collect_due()
            for name in self._backlog.classes():
                self._wake_users(name)
        finally:
            if self._timer:  # A user that was woken may have ended the load.
                until_next = self._upcoming[0] - self._now() if self._upcoming else 1.0
                self._dispatch_in(max(0.0, min(until_next, LOOKAHEAD_SECONDS / 2)))

    def _weigh_classes(self) -> None:
        """Give arrivals to classes of users as Locust spawned them: by weight or fixed count."""
        counted = {name: count for name, count in self._count_users().items() if count}
        if counted:
            self._class_weights = (list(counted), list(counted.values()))

    def _follow_rest(self) -> None:
        """Close the connections of idle users while live rates rest.

        A server at its connection limit would else keep idle connections open, and the requests
        of the next step would wait for them.
        """
        rested = self._is_resting
        self._is_resting = self._live is not None and self._live.is_resting(self._now())
        if self._is_resting and not rested:
            for idle in self._idle_users.values():
                for user in idle.values():
                    close_connections(user)

    def _collect_due(self, ago_seconds: float = 0.0) -> None:
        """Move arrivals that are due, or were so long ago, into the backlog; drop expired ones."""
        if self._timer is None:
            return
        now = self._now() - ago_seconds
        if now + LOOKAHEAD_SECONDS / 2 > self._computed_until:
            self._computed_until = now + LOOKAHEAD_SECONDS
            self._upcoming.extend(self._schedule.until(self._computed_until))
        while self._upcoming and self._upcoming[0] <= now:
            self._backlog.add(self._draw_class(), self._upcoming.popleft())
            self._arrivals.offered += 1
        self._arrivals.count_dropped(self._backlog.expire(now))

    def _draw_class(self) -> str:
        names, weights = self._class_weights
        return names[0] if len(names) == 1 else random.choices(names, weights)[0]  # noqa: S311 - no secret

    def _wake_users(self, name: str) -> None:
        idle = self._idle_users[name]
        while idle and (due := self._backlog.take(name)) is not None:
            idle.popitem()[0].switch(due)  # which returns when the user waits for something
