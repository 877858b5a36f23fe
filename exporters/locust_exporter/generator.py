"""This process as a load generator: wraps Locust's clients and `events.request.measure`."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any

import gevent
import locust
import psutil  # type: ignore[import-untyped]
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.exception import (
    InterruptTaskSet,
    RescheduleTask,
    RescheduleTaskImmediately,
    StopTest,
    StopUser,
)

from locust_exporter.counting.exception_kinds import RAISED, TASK
from locust_exporter.counting.in_flight import InFlight
from locust_exporter.counting.load_phase import LoadPhase
from locust_exporter.counting.process_reports import ProcessReport
from locust_exporter.generator_health import CpuMeter, LoopLag, Pacing
from locust_exporter.profile_info import announced

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locust_exporter.exporter_settings import Settings

LAG_SLEEP_SECONDS = 0.02

HTTP_USERS = (locust.HttpUser, locust.FastHttpUser)
"""Users whose requests are seen from their start."""


class Generator:
    """Everything that this process knows of itself as a load generator."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # ValueError: the URL was invalid and nothing was sent. The others come from listeners of a
        # request that was reported.
        control = (StopUser, StopTest, RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet)
        self.in_flight = InFlight(harmless=(ValueError, *control))
        self.user_exceptions = 0
        self.load = LoadPhase()
        self.pacing = Pacing()
        self._measuring: set[type[locust.User]] = set()
        """Classes of users that report when a request of theirs begins."""
        self._lag = LoopLag()
        self._cpu = CpuMeter()
        self._process = psutil.Process()

    def watch_clients(self, events: Any) -> None:
        """Track the requests of Locust's HTTP clients and those of `events.request.measure`."""
        HttpSession.request = self.in_flight.tracked(HttpSession.request)  # type: ignore[method-assign]
        FastHttpSession.request = self.in_flight.tracked(FastHttpSession.request)  # type: ignore[method-assign]
        events.request.measure = self._tracked_measure(events.request.measure)
        events.user_error.add_listener(self._on_user_error)
        # An answer that was dropped unreported may hang in a reference cycle until it is collected.
        events.test_stop.add_listener(lambda **_: gc.collect())

    def follow_load(self, load: LoadPhase) -> None:
        """Leave out of all figures what happens in set-up and tear-down."""
        self.load = load
        self.in_flight.is_load_on = lambda: load.is_on
        self.in_flight.count_outside = load.count_outside
        load.on_begin.append(self._restart_health)

    def _restart_health(self) -> None:
        """Begin anew: a set-up may compute as it likes."""
        self._cpu = CpuMeter()
        self._lag.restart()

    def watch_users(self, user_classes: Iterable[Any]) -> None:
        """Count the intervals of users with a fixed pace, and users that wait in an open loop."""
        if arrivals := announced().arrivals:
            arrivals.users_awaiting_answers = self._users_awaiting_answers
        for user_class in user_classes:
            self.pacing.watch(user_class)

    def watch_loop(self) -> None:
        """Measure this process's CPU and event loop until it ends."""
        # Locust may have forked since the constructor ran.
        self._process, self._cpu, self._lag = psutil.Process(), CpuMeter(), LoopLag()
        gevent.spawn(self._measure_loop)

    def report(self, environment: Any) -> ProcessReport:
        """Return the figures of this moment."""
        arrivals = announced().arrivals
        tracked_users = {
            user
            for user in environment.user_classes
            if user in self._measuring or issubclass(user, HTTP_USERS)
        }
        # Seen for some classes of users only, it would say that the others wait for nothing.
        sees_all_users = tracked_users and tracked_users.issuperset(environment.user_classes)
        return ProcessReport(
            in_flight=self.in_flight.snapshot(self._settings.starvation_seconds)
            if sees_all_users
            else None,
            abandoned=dict(self.in_flight.abandoned) if tracked_users else None,
            abandoned_ages=self.in_flight.abandoned_ages,
            user_exceptions=self.user_exceptions,
            exceptions=RAISED.rows(),
            requests_outside=dict(self.load.requests),
            cpu_ratio=None if self.load.is_setting_up else self._cpu.ratio,
            memory_bytes=self._process.memory_info().rss,
            lag_seconds=self._lag.total_seconds,
            lag_max_seconds=self._lag.max_seconds,
            arrivals=arrivals,
            ages_since_due=self.in_flight.ages_since_due() + arrivals.backlog_ages()
            if arrivals
            else None,
            pacing={
                name: (intervals, self.pacing.missed[name])
                for name, intervals in self.pacing.intervals.items()
            },
        )

    def _users_awaiting_answers(self) -> int:
        """Return users whose request is older than this process leaves an answer unread."""
        return self.in_flight.snapshot(2 * self._lag.max_seconds).starved_users

    def _tracked_measure(self, measure: Any) -> Any:
        def tracked_measure(*args: Any, **kwargs: Any) -> Any:
            if user_class := _acting_user_class():
                self._measuring.add(user_class)
            return self.in_flight.tracked_block(measure(*args, **kwargs), gevent.getcurrent())

        return tracked_measure

    def _on_user_error(self, exception: BaseException, **_: Any) -> None:
        if self.load.stopped is None:
            self.user_exceptions += 1
            RAISED.add(TASK, exception)

    def _measure_loop(self) -> None:
        while True:
            before = time.perf_counter()
            began = self.load.began
            gevent.sleep(LAG_SLEEP_SECONDS)
            if began == self.load.began and not self.load.is_setting_up:
                self._lag.observe(max(time.perf_counter() - before - LAG_SLEEP_SECONDS, 0.0))
            self._cpu.update()


def _acting_user_class() -> type[locust.User] | None:
    """Return the class of the user whose greenlet this is or descends from; None if unknown."""
    greenlet = gevent.getcurrent()
    while greenlet is not None:
        # Locust starts a user's greenlet with the user as its argument.
        arguments = getattr(greenlet, "args", ())
        if users := [argument for argument in arguments if isinstance(argument, locust.User)]:
            return type(users[0])
        spawned_by = getattr(greenlet, "spawning_greenlet", None)
        greenlet = spawned_by() if spawned_by else None
    return None
