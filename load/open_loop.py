"""An open loop in Locust: arrivals by a schedule that does not wait for answers, for the tasks of any user.

A user is a slot: before each of its tasks it waits for an arrival, and it thinks no longer. A nested TaskSet takes an arrival for each of
its tasks. Everything else (spawning, stopping, on_start, cookies, tags, workers) stays Locust's.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import random
import select
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

import gevent
import gevent.monkey
import locust
from arrivals import schedule_of
from backlog import PATIENCE_SECONDS, STOP_SECONDS, Backlog, left
from conductor import MESSAGE, Conductor
from gevent.hub import Waiter
from geventhttpclient.connectionpool import ConnectionPool
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING, TaskSet
from locust_exporter import told
from locust_exporter.ages import Ages
from locust_exporter.facts import LATENESS, Arrivals
from locust_exporter.settings import read_settings
from locust_exporter.turn import Turn
from shares import Part, Share

if TYPE_CHECKING:
    from collections.abc import Callable

    from firedrill.profile import Profile

logger = logging.getLogger(__name__)

LOOKAHEAD_SECONDS = 0.1
"""So far ahead a process knows which arrivals are its own."""

SHARE_SECONDS = 3.0
"""A worker that has heard nothing of its share for so long says so."""

POLL = gevent.monkey.get_original("select", "poll")
"""The one that does not hand over to other users."""


class Desk:
    """Hands this process's arrivals to its users: waiting ones are woken, and one that is done takes an overdue one itself."""

    def __init__(self, profile: Profile, arrivals: Arrivals) -> None:
        self._profile = profile
        self._arrivals = arrivals
        arrivals.backlog = lambda: Ages.of(self._backlog.ages(self._now()))
        self._began = 0.0
        self._part = Part(schedule_of(profile))
        self._has_share = False
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
        self._part, self._ahead, self._ahead_until = Part(schedule_of(self._profile)), deque(), 0.0
        self._count_users = lambda: environment.runner.user_classes_count if environment.runner else {}
        weights = {user.__name__: user.fixed_count or user.weight for user in environment.user_classes}
        self._users = (list(weights), list(weights.values()) if any(weights.values()) else [1] * len(weights))
        self._next_count = 0.0
        self._deal_in(0.0)

    def assign(self, share: Share) -> None:
        """More arrivals of this process."""
        self._part.assign(share)
        self._has_share = True

    def warn_without_share(self) -> None:
        """Or a worker whose master plays no open profile would stand idle without a word."""
        if not self._has_share:
            name = self._profile.name
            logger.warning("No share of the arrivals of %s has come: was the master started with the same --load-profile?", name)

    def close(self) -> None:
        """No more arrivals. What waits, also what came due while the process stood still, is left where users wait for the target.

        All else of it is unsent: no user was there, or users were busy with themselves.
        """
        self._look(STOP_SECONDS)
        if self._timer:
            self._timer.close()
        self._timer = None
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

    def on_request(self, request_type: object, name: object, response_time: object, **_: Any) -> None:
        """Locust's event. The first request of an arrival was meant to be sent when it was due, later ones when they were."""
        late = LATENESS.get()
        LATENESS.set(0.0)
        milliseconds = told.milliseconds(response_time)
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
                self._deal_in(max(0.0, min(self._ahead[0] - self._now() if self._ahead else 1.0, LOOKAHEAD_SECONDS / 2)))

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
            self._ahead.extend(self._part.until(self._ahead_until))
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


def install(profile: Profile) -> Arrivals:
    """Make this process's loop an open one; returns the counts of what becomes of it."""
    arrivals = Arrivals(read_settings(os.environ).max_names)
    desk = Desk(profile, arrivals)
    _wait_for_arrivals(desk)
    _listen_from_the_start(desk)
    # select() refuses descriptors from 1024 on, and every request would connect anew.
    ConnectionPool._is_socket_alive = _is_idle  # type: ignore[method-assign,assignment]  # noqa: SLF001
    locust.events.request.add_listener(desk.on_request)  # type: ignore[no-untyped-call]

    def on_init(environment: Any, runner: Any, **_: Any) -> None:
        if isinstance(runner, MasterRunner):
            conductor = Conductor(profile, arrivals, runner)
            environment.events.test_start.add_listener(lambda **_: conductor.start())
            environment.events.test_stopping.add_listener(lambda **_: conductor.stop())
            return
        # All users stand still while garbage is collected. What is alive now stays alive: to look through it takes tens of milliseconds,
        # to look through 10,000 new objects about one.
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 100)
        environment.events.test_stopping.add_listener(lambda **_: desk.close())
        if isinstance(runner, WorkerRunner):
            environment.events.test_start.add_listener(lambda **_: gevent.spawn_later(SHARE_SECONDS, desk.warn_without_share))
        else:
            environment.events.test_start.add_listener(lambda **_: _begin_alone(desk, environment))

    locust.events.init.add_listener(on_init)  # type: ignore[no-untyped-call]
    return arrivals


def _listen_from_the_start(desk: Desk) -> None:
    """A master that waited for its last worker sends shares at once, while that one's `init` is still to come."""
    connect_to_master = WorkerRunner.connect_to_master

    def connect(self: Any) -> None:
        if MESSAGE not in self.custom_messages:
            self.register_message(MESSAGE, lambda environment, msg: _on_share(desk, environment, msg))
        connect_to_master(self)  # type: ignore[no-untyped-call]

    WorkerRunner.connect_to_master = connect  # type: ignore[method-assign]


def _begin_alone(desk: Desk, environment: Any) -> None:
    desk.open(environment.shape_class.get_run_time(), environment)
    desk.assign(Share(0.0, math.inf, 0, 1))


def _on_share(desk: Desk, environment: Any, msg: Any) -> None:
    desk.open(msg.data["elapsed_seconds"], environment)
    desk.assign(Share(**msg.data["share"]))


def _wait_for_arrivals(desk: Desk) -> None:
    """Put a wait for an arrival before every task that is none of Locust's sets of tasks, and no wait after it."""
    execute_next_task = TaskSet.execute_next_task

    def execute(self: Any) -> None:
        task = self._task_queue[0]
        if not (isinstance(task, type) and issubclass(task, TaskSet)):
            desk.wait_for_arrival(self.user)
        execute_next_task(self)  # type: ignore[no-untyped-call]

    def wait(self: Any) -> None:
        desk.turn.pause()
        if self.user._state == LOCUST_STATE_STOPPING:  # noqa: SLF001
            raise StopUser

    TaskSet.execute_next_task = execute  # type: ignore[method-assign]
    TaskSet.wait = wait  # type: ignore[method-assign]


def _is_idle(_pool: ConnectionPool, connection: Any) -> bool:
    """Whether a pooled connection is open and has nothing to read, which would be its end."""
    if connection is None or connection.fileno() < 0:
        return False
    poller = POLL()
    poller.register(connection.fileno(), select.POLLIN)
    return not poller.poll(0)
