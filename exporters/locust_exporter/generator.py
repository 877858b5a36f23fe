"""This process as a load generator: wraps Locust's clients and what they report to."""

from __future__ import annotations

import functools
import gc
import time
from contextlib import suppress
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
from locust.stats import RequestStats

from locust_exporter.counting.exception_kinds import RAISED, TASK
from locust_exporter.counting.in_flight import InFlight
from locust_exporter.counting.load_phase import LoadPhase
from locust_exporter.counting.process_reports import NONE_REPORTED, ProcessReport
from locust_exporter.counting.sanitize import label_value
from locust_exporter.counting.streamed_body import (
    watch_geventhttpclient_body,
    watch_requests_body,
)
from locust_exporter.generator_health import CpuMeter, LoopLag, Pacing
from locust_exporter.profile_info import announced, nothing_excluded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from locust_exporter.counting.sanitize import Endpoint
    from locust_exporter.exporter_settings import Settings

LAG_SLEEP_SECONDS = 0.02


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
        self._announcing: set[str] = set()
        """Classes of users with a client whose requests are seen to begin."""
        self._silent: set[str] = set()
        """Classes that ran here without such a client."""
        self._unseen: dict[str, Endpoint] = {}
        """First request that was reported and not seen to begin, by class of users."""
        self._lag = LoopLag()
        self._cpu = CpuMeter()
        self._process = psutil.Process()

    def watch_clients(self, events: Any) -> None:
        """Track the requests of Locust's HTTP clients and those of `events.request.measure`."""
        track = self.in_flight.tracked
        for session in (HttpSession, FastHttpSession):
            session.__init__ = self._noting_user(session.__init__)  # type: ignore[method-assign]
        HttpSession.request = track(HttpSession.request, watch_requests_body)  # type: ignore[method-assign]
        FastHttpSession.request = track(FastHttpSession.request, watch_geventhttpclient_body)  # type: ignore[method-assign]
        log_request = self.in_flight.tracked_log(RequestStats.log_request, self._on_unseen)
        RequestStats.log_request = log_request  # type: ignore[method-assign]
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
        """Count intervals of users with a fixed pace, and users that wait in an open workload."""
        if announced().is_excluded is not nothing_excluded:
            self.in_flight.is_excluded = announced().is_excluded
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
        silent = self._silent_classes(environment)
        unobserved = self._unobserved_classes(silent, environment.runner)
        return ProcessReport(
            # Seen for some classes of users only, it would say that the others wait for nothing.
            in_flight=None
            if unobserved
            else self.in_flight.snapshot(self._settings.starvation_seconds),
            unobserved=unobserved,
            abandoned=dict(self.in_flight.abandoned)
            if len(silent) < len(environment.user_classes)
            else None,
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

    def _silent_classes(self, environment: Any) -> list[str]:
        """Return the classes of users whose requests would not be seen to begin, so far."""
        names = [user_class.__name__ for user_class in environment.user_classes]
        return [name for name in names if name not in self._announcing]

    def _unobserved_classes(self, silent: Sequence[str], runner: Any) -> dict[str, Endpoint]:
        """Return the classes of users that may wait unseen, with their first unseen request."""
        running = runner.user_classes_count if silent else {}
        self._silent |= {name for name in silent if running.get(name)}
        waits = dict.fromkeys(self._silent.intersection(silent), NONE_REPORTED)
        return waits | self._unseen

    def _users_awaiting_answers(self) -> int:
        """Return users whose request is older than this process leaves an answer unread."""
        return self.in_flight.snapshot(2 * self._lag.max_seconds, with_excluded=True).starved_users

    def _noting_user(self, init: Any) -> Any:
        """Wrap `__init__` of a client session, to note the class of its user."""

        @functools.wraps(init)
        def noting_user(session: Any, *args: Any, **kwargs: Any) -> None:
            init(session, *args, **kwargs)
            if user_class := type(session.user) if session.user else _acting_user_class():
                self._announcing.add(user_class.__name__)

        return noting_user

    def _tracked_measure(self, measure: Any) -> Any:
        def tracked_measure(*args: Any, **kwargs: Any) -> Any:
            if user_class := _acting_user_class():
                self._announcing.add(user_class.__name__)
            request_type, name, *_ = (*args, None, None)
            is_excluded = self.in_flight.excludes(
                kwargs.get("request_type", request_type), kwargs.get("name", name)
            )
            return self.in_flight.tracked_block(
                measure(*args, **kwargs), gevent.getcurrent(), is_excluded=is_excluded
            )

        return tracked_measure

    def _on_unseen(self, method: object, name: object) -> None:
        """Note the class of the user that reports a request which was not seen to begin."""
        with suppress(Exception):  # whatever a name's own methods raise
            if not announced().is_excluded(method, name) and (user_class := _acting_user_class()):
                request = label_value(method), label_value(name)
                self._unseen.setdefault(user_class.__name__, request)

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
