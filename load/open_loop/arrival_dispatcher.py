"""Where the users of an open loop get their arrivals, in each process that has users."""

from __future__ import annotations

import logging
import random
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

import gevent
from gevent.hub import Waiter
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_WAITING
from locust_exporter.counting import sanitize
from locust_exporter.counting.latency_histogram import Ages
from locust_exporter.profile_info import LATENESS
from locust_exporter.time_slice import Turn

from .backlog import PATIENCE_SECONDS, STOP_SECONDS, Backlog, left
from .schedule import schedule_of
from .schedule_shards import ProcessSchedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust_exporter.profile_info import Arrivals

    from firedrill.profile import Profile

    from .schedule_shards import Shard

logger = logging.getLogger(__name__)

LOOKAHEAD_SECONDS = 0.1
"""So far ahead a process knows which arrivals are its own."""


class ArrivalDispatcher:
    """Hands this process's arrivals to its users: waiting ones are woken, and one that is done takes an overdue one itself."""

    def __init__(self, profile: Profile, arrivals: Arrivals) -> None:
        self._profile = profile
        self._arrivals = arrivals
        arrivals.backlog = lambda: Ages.of(self._backlog.ages(self._now()))
        self._began = 0.0
        self._own = ProcessSchedule(schedule_of(profile))
        self._has_shard = False
        self._ahead: deque[float] = deque()
        self._ahead_until = 0.0
        self._backlog = Backlog(PATIENCE_SECONDS)
        # The user that came last is woken first: its connection is the least likely to have been closed.
        self._parked: defaultdict[str, dict[Waiter, None]] = defaultdict(dict)
        self._timer: Any = None
        self.turn = Turn(lambda: gevent.sleep(0))
        """Of users that begin one overdue arrival after the other, and may do nothing that waits."""
        self._next_count = 0.0
        self._count_users: Callable[[], dict[str, int]] = dict
        self._users: tuple[list[str], list[int]] = ([], [])

    def open(self, elapsed_seconds: float, environment: Any) -> None:
        """The load began so long ago. Harmless if it is known."""
        if self._timer:
            return
        self._began = time.perf_counter() - elapsed_seconds
        self._own, self._ahead, self._ahead_until = (
            ProcessSchedule(schedule_of(self._profile)),
            deque(),
            0.0,
        )
        self._count_users = lambda: (
            environment.runner.user_classes_count if environment.runner else {}
        )
        weights = {
            user.__name__: user.fixed_count or user.weight for user in environment.user_classes
        }
        self._users = (
            list(weights),
            list(weights.values()) if any(weights.values()) else [1] * len(weights),
        )
        self._next_count = 0.0
        self._deal_in(0.0)

    def assign(self, shard: Shard) -> None:
        """More arrivals of this process."""
        self._own.assign(shard)
        self._has_shard = True

    def warn_without_shard(self) -> None:
        """Or a worker whose master plays no open profile would stand idle without a word."""
        if not self._has_shard:
            name = self._profile.name
            logger.warning(
                "No arrivals of %s were assigned to this worker: was the master started with the same --load-profile?",
                name,
            )

    def close(self) -> None:
        """No more arrivals. What waits, also what came due while the process stood still, is left where users wait for the target.

        All else of it is unsent: no user was there, or users were busy with themselves.
        """
        self._look(STOP_SECONDS)
        if self._timer:
            self._timer.close()
        self._timer, self._has_shard = None, False
        ages = self._backlog.clear(self._now())
        busy = sum(self._count_users().values()) - sum(map(len, self._parked.values()))
        because_of_target = left(len(ages), busy, self._arrivals.awaiting())
        self._arrivals.leave(ages[:because_of_target])
        self._arrivals.drop(ages[because_of_target:])

    def wait_for_arrival(self, user: Any) -> None:
        """Return when the user has an arrival to begin."""
        self._look()
        due = self._backlog.take(type(user).__name__)
        if due is None:
            due = self._park(user)
        late = self._now() - due
        self._arrivals.start(late)
        LATENESS.set(late)

    def on_request(
        self, request_type: object, name: object, response_time: object, **_: Any
    ) -> None:
        """Locust's event. The first request of an arrival was meant to be sent when it was due, later ones when they were."""
        late = LATENESS.get()
        LATENESS.set(0.0)
        milliseconds = sanitize.milliseconds(response_time)
        if milliseconds is not None:
            self._arrivals.answer(request_type, name, late + milliseconds / 1000)

    def _now(self) -> float:
        return time.perf_counter() - self._began

    def _park(self, user: Any) -> float:
        """Due time of the arrival that woke it."""
        parked, waiter = self._parked[type(user).__name__], Waiter()
        parked[waiter] = None
        user._state = LOCUST_STATE_WAITING  # noqa: SLF001 - so that Locust stops it at once
        try:
            due = waiter.get()
        finally:
            parked.pop(waiter, None)
        user._state = LOCUST_STATE_RUNNING  # noqa: SLF001
        return float(due)

    def _deal_in(self, seconds: float) -> None:
        self._timer = gevent.get_hub().loop.timer(seconds)
        self._timer.start(self._deal)

    def _deal(self) -> None:
        """Called by the event loop itself, so that it can start users one after the other.

        What is asked of it by greenlets it does 50 at a time, between the answers to all others: the last of a crowd waited for 0.2 s.
        """
        self.turn.begin()
        try:
            if self._now() >= self._next_count:
                self._count()
                self._next_count = self._now() + 1.0
            self._look()
            for name in self._backlog.classes():
                self._wake(name)
        finally:
            if self._timer:  # A user that was woken may have ended the load.
                self._deal_in(
                    max(
                        0.0,
                        min(
                            self._ahead[0] - self._now() if self._ahead else 1.0,
                            LOOKAHEAD_SECONDS / 2,
                        ),
                    )
                )

    def _count(self) -> None:
        """Arrivals go to the classes of users as Locust has spawned them: by weight, or by a fixed count."""
        counted = {name: count for name, count in self._count_users().items() if count}
        if counted:
            self._users = (list(counted), list(counted.values()))

    def _look(self, ago_seconds: float = 0.0) -> None:
        """See what is due by now, or was some time ago."""
        if self._timer is None:
            return
        now = self._now() - ago_seconds
        if now + LOOKAHEAD_SECONDS / 2 > self._ahead_until:
            self._ahead_until = now + LOOKAHEAD_SECONDS
            self._ahead.extend(self._own.until(self._ahead_until))
        while self._ahead and self._ahead[0] <= now:
            self._backlog.add(self._draw_class(), self._ahead.popleft())
            self._arrivals.offered += 1
        self._arrivals.drop(self._backlog.expire(now))

    def _draw_class(self) -> str:
        names, weights = self._users
        return names[0] if len(names) == 1 else random.choices(names, weights)[0]  # noqa: S311 - no secret

    def _wake(self, name: str) -> None:
        parked = self._parked[name]
        while parked and (due := self._backlog.take(name)) is not None:
            parked.popitem()[0].switch(due)  # which returns when the user waits for something
