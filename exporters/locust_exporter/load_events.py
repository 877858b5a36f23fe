"""Hooks in Locust's events: the phases of a test, the requests outside its load, and exceptions.

Locust has no event for the end of the set-up, so the `fire` of its own events is wrapped.
"""

from __future__ import annotations

import logging
import time
import traceback
from typing import TYPE_CHECKING, Any

import gevent
import locust.event
import locust.log
from gevent.event import Event
from locust.event import EventHook
from locust.exception import (
    InterruptTaskSet,
    RescheduleTask,
    RescheduleTaskImmediately,
    StopTest,
    StopUser,
)
from locust.rpc import Message
from locust.runners import STATE_MISSING, STATE_RUNNING, STATE_SPAWNING, MasterRunner, WorkerRunner

from locust_exporter.counting import sanitize
from locust_exporter.counting.exception_kinds import RAISED
from locust_exporter.counting.load_phase import OUTSIDE_LOAD, LoadPhase

if TYPE_CHECKING:
    from collections.abc import Callable

STOP_MESSAGE = "firedrill_stop"
"""Type of a master's message: the load is over, stop the users.

Locust's own message comes after the master's test_stop listeners, if the master is about to quit.
"""

_POLL_SECONDS = 0.02

_CONTROL = (StopUser, StopTest, RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet)
"""Exceptions with which a listener steers Locust."""


def record_listeners(events: Any) -> None:
    """Record the exceptions of all listeners from now on; Locust only logs them."""

    def fire(hook: Any, *, reverse: bool = False, **arguments: Any) -> None:
        handlers = hook._handlers[::-1] if reverse else hook._handlers.copy()  # noqa: SLF001
        for handler in handlers:
            try:
                handler(**arguments)
            except _CONTROL:
                raise
            except Exception as error:  # noqa: BLE001 -- as Locust does
                RAISED.add(_name(hook), error)
                # Locust's own words, which people look for in its log.
                logging.error("Uncaught exception in event handler: \n%s", traceback.format_exc())  # noqa: LOG015, TRY400
                locust.log.unhandled_greenlet_exception = True

    def _name(hook: Any) -> str:
        return next((name for name, known in vars(events).items() if known is hook), "event")

    EventHook.fire = fire  # type: ignore[assignment,method-assign]


def follow_workers() -> None:
    """Follow the tests of a worker before `init`: its master may start one before that."""
    connect_to_master = WorkerRunner.connect_to_master
    if hasattr(connect_to_master, "firedrill"):
        return

    def connect(runner: Any) -> None:
        follow(runner.environment, runner)
        connect_to_master(runner)  # type: ignore[no-untyped-call]

    connect.firedrill = True  # type: ignore[attr-defined]
    WorkerRunner.connect_to_master = connect  # type: ignore[method-assign]


def follow(environment: Any, runner: Any = None) -> LoadPhase:
    """Return the phases of this process's tests, followed from the first call on."""
    known: LoadPhase | None = getattr(environment, "firedrill_load", None)
    if known is None:
        known = environment.firedrill_load = LoadPhase()
        _Hooks(environment, known).install(runner or environment.runner)
    return known


class _Hooks:
    """The wrapped events of one environment."""

    def __init__(self, environment: Any, load: LoadPhase) -> None:
        self._environment = environment
        self._load = load
        self._set_up = Event()
        self._set_up.set()

    def install(self, runner: Any) -> None:
        events = self._environment.events
        for name, wrapped in (
            ("test_start", self._test_start),
            ("test_stopping", self._test_stopping),
            ("test_stop", self._test_stop),
            ("quitting", self._quitting),
        ):
            hook = getattr(events, name)
            hook.fire = wrapped(hook.fire)
        self._count_requests_apart(events.request)
        if isinstance(runner, WorkerRunner):
            runner.register_message(STOP_MESSAGE, lambda **_: runner.stop())
        if self._environment.shape_class:
            self._hold_in_set_up(self._environment.shape_class)

    def _hold_in_set_up(self, shape: Any) -> None:
        """Stop a load shape's clock during the set-up: a new tick would kill the listeners."""
        tick = shape.tick

        def held_tick() -> Any:
            self._set_up.wait()
            return tick()

        shape.tick = held_tick

    def _test_start(self, fire: Callable[..., None]) -> Callable[..., None]:
        def fire_and_begin(**arguments: Any) -> None:
            self._set_up.clear()
            RAISED.clear()
            self._load.begin_setup()
            try:
                fire(**arguments)
                if isinstance(self._environment.runner, MasterRunner):
                    self._set_up_workers(self._environment.runner)
                if self._environment.shape_class:
                    self._environment.shape_class.reset_time()
                self._load.begin()
            except (StopTest, SystemExit) as error:
                RAISED.add("test_start", error)
                self._load.stop()
                raise
            finally:
                self._set_up.set()

        return fire_and_begin

    def _set_up_workers(self, runner: Any) -> None:
        """Let every worker fire its own test_start, and wait until all have returned.

        A worker does that at its first job. The first job here is one without users, because the
        jobs that come in during a set-up would be done at once after it, without a spawn rate.
        """
        environment, asked = self._environment, set()
        options = environment.parsed_options
        while waiting := [
            client
            for client in runner.clients.all
            if client.state != STATE_MISSING
            and (client.id not in asked or client.state != STATE_RUNNING)
        ]:
            for client in waiting:
                if client.id not in asked:
                    asked.add(client.id)
                    job = {
                        "timestamp": time.time(),
                        "user_classes_count": dict.fromkeys(environment.user_classes_by_name, 0),
                        "host": environment.host,
                        "stop_timeout": environment.stop_timeout,
                        "parsed_options": vars(options) if options else {},
                    }
                    client.state = STATE_SPAWNING
                    runner.server.send_to_client(Message("spawn", job, client.id))  # type: ignore[no-untyped-call]
            gevent.sleep(_POLL_SECONDS)

    def _test_stopping(self, fire: Callable[..., None]) -> Callable[..., None]:
        def stop_and_fire(**arguments: Any) -> None:
            self._load.stop()
            if isinstance(self._environment.runner, MasterRunner):
                self._environment.runner.send_message(STOP_MESSAGE)
            fire(**arguments)

        return stop_and_fire

    def _test_stop(self, fire: Callable[..., None]) -> Callable[..., None]:
        def fire_and_end(**arguments: Any) -> None:
            try:
                fire(**arguments)
            finally:
                self._load.end()

        return fire_and_end

    def _quitting(self, fire: Callable[..., None]) -> Callable[..., None]:
        def fire_and_exit(**arguments: Any) -> None:
            environment = self._environment
            try:
                fire(**arguments)
            except SystemExit as error:
                code = error.code
                self._load.exit(code if isinstance(code, int) else int(code is not None))
                raise
            self._load.exit(environment.process_exit_code)
            options = environment.parsed_options
            if self._load.stopped and options and options.headless:
                self._load.end()

        return fire_and_exit

    def _count_requests_apart(self, hook: Any) -> None:
        """Wrap the request event outside the load; under load it costs nothing."""
        load, fire = self._load, hook.fire

        def fire_apart(**arguments: Any) -> None:
            if load.includes(lambda: _sent(arguments)):
                fire(**arguments)
                return
            load.count_outside()
            token = OUTSIDE_LOAD.set(True)
            try:
                fire(**arguments)
            finally:
                OUTSIDE_LOAD.reset(token)

        def choose() -> None:
            hook.fire = fire if load.is_on else fire_apart

        load.on_change.append(choose)
        choose()


def _sent(arguments: dict[str, Any]) -> float:
    """Return when a reported request was sent; one without any time counts as sent now."""
    sent = arguments.get("start_time")
    if isinstance(sent, float):
        return sent
    return time.time() - (sanitize.milliseconds(arguments.get("response_time")) or 0.0) / 1000
