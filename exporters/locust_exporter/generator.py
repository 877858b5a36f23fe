"""This process as a generator of load, in Locust: what it has in flight, and how it fares."""

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

from locust_exporter.counting.in_flight import InFlight
from locust_exporter.counting.process_reports import Report
from locust_exporter.health import CpuMeter, LoopLag
from locust_exporter.pacing import Pacing
from locust_exporter.profile_info import announced

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locust_exporter.exporter_settings import Settings

LAG_SLEEP_SECONDS = 0.02

SEEN = (locust.HttpUser, locust.FastHttpUser)
"""Whose requests are seen from their start."""


class Generator:
    """Everything that this process knows of itself."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # ValueError: the URL was none, nothing was sent. The others come from listeners of a request that was reported.
        control = (StopUser, StopTest, RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet)
        self.in_flight = InFlight(harmless=(ValueError, *control))
        self.user_exceptions = 0
        self.pacing = Pacing()
        self._measuring: set[type[locust.User]] = set()
        """Classes of users that said when a request of theirs begins."""
        self._lag = LoopLag()
        self._cpu = CpuMeter()
        self._process = psutil.Process()

    def watch_clients(self, events: Any) -> None:
        """Account for every request of Locust's HTTP clients, and of those that use `events.request.measure`."""
        HttpSession.request = self.in_flight.tracked(HttpSession.request)  # type: ignore[method-assign]
        FastHttpSession.request = self.in_flight.tracked(FastHttpSession.request)  # type: ignore[method-assign]
        events.request.measure = self._measured(events.request.measure)
        events.user_error.add_listener(self._on_user_error)
        # An answer that was dropped unreported may hang in a reference cycle, uncounted until it is collected.
        events.test_stop.add_listener(lambda **_: gc.collect())

    def watch_users(self, user_classes: Iterable[Any]) -> None:
        """Count the intervals of those with a fixed pace; arrivals may ask how many wait for the target."""
        if arrivals := announced().arrivals:
            arrivals.awaiting = self._awaiting
        for user_class in user_classes:
            self.pacing.watch(user_class)

    def watch_loop(self) -> None:
        """Measure this process until it ends."""
        # Made anew after a fork.
        self._process, self._cpu, self._lag = psutil.Process(), CpuMeter(), LoopLag()
        gevent.spawn(self._measure_loop)

    def report(self, environment: Any) -> Report:
        """Everything as of now."""
        arrivals = announced().arrivals
        seen = {
            user
            for user in environment.user_classes
            if user in self._measuring or issubclass(user, SEEN)
        }
        return Report(
            # Of some only, it would say of the others that they wait for nothing.
            waiting=self.in_flight.look(self._settings.starvation_seconds)
            if seen and seen.issuperset(environment.user_classes)
            else None,
            abandoned=dict(self.in_flight.abandoned) if seen else None,
            abandoned_ages=self.in_flight.abandoned_ages,
            user_exceptions=self.user_exceptions,
            cpu_ratio=self._cpu.ratio,
            memory_bytes=self._process.memory_info().rss,
            lag_seconds=self._lag.total_seconds,
            lag_max_seconds=self._lag.max_seconds,
            arrivals=arrivals,
            since_due=self.in_flight.since_due() + arrivals.backlog() if arrivals else None,
            pacing={
                name: (intervals, self.pacing.missed[name])
                for name, intervals in self.pacing.intervals.items()
            },
        )

    def _awaiting(self) -> int:
        """Users whose request waits for the target: for longer than this process may have left an answer unread."""
        return self.in_flight.look(2 * self._lag.max_seconds).starved_users

    def _measured(self, measure: Any) -> Any:
        def measured(*args: Any, **kwargs: Any) -> Any:
            if user_class := _acting_class():
                self._measuring.add(user_class)
            return self.in_flight.during(measure(*args, **kwargs), gevent.getcurrent())

        return measured

    def _on_user_error(self, **_: Any) -> None:
        self.user_exceptions += 1

    def _measure_loop(self) -> None:
        while True:
            before = time.perf_counter()
            gevent.sleep(LAG_SLEEP_SECONDS)
            self._lag.observe(max(time.perf_counter() - before - LAG_SLEEP_SECONDS, 0.0))
            self._cpu.update()


def _acting_class() -> type[locust.User] | None:
    """Of the user whose greenlet this is, or descends from; None where that cannot be told."""
    greenlet = gevent.getcurrent()
    while greenlet is not None:
        # Locust starts a user's greenlet with the user as its argument.
        if users := [
            each for each in getattr(greenlet, "args", ()) if isinstance(each, locust.User)
        ]:
            return type(users[0])
        spawned_by = getattr(greenlet, "spawning_greenlet", None)
        greenlet = spawned_by() if spawned_by else None
    return None
