"""The exporter inside Locust: the only module that knows Locust.

Import it in a locustfile or name it as a second `-f` file; registering twice is harmless. The master or the only process serves the page;
workers report to their master.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any, TypeVar

import gevent
import locust
import locust.stats
import psutil  # type: ignore[import-untyped]
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, RPCError, StopTest, StopUser
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from firedrill.errors import BadInput
from locust_exporter import buckets
from locust_exporter.exporter import Exporter
from locust_exporter.facts import announced
from locust_exporter.generator import MESSAGE, UNREPORTED_MESSAGE, Report
from locust_exporter.health import CpuMeter, LoopLag
from locust_exporter.inflight import InFlight
from locust_exporter.ledger import Unreported
from locust_exporter.pacing import Pacing
from locust_exporter.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

WORKER_REPORT_SECONDS = 1.0
"""Instead of Locust's 3 s, with which a 5 s rate() reads 75-150 % of the truth."""
MASTER_SECONDS = 10.0
"""A worker whose master is silent for so long ends, before the 60 s in which Locust sends what nobody sees. The run is void by then."""
LIVE_SECONDS = 0.5
LAG_SLEEP_SECONDS = 0.02
QUIT_SECONDS = 10.0
"""What a worker may take to end, beyond its users' --stop-timeout: machines stand still for seconds. A dead one is missed sooner."""


class Generator:
    """This process as a generator of load: what it has in flight and how it fares."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # ValueError: the URL was none, nothing was sent. The others come from listeners of a request that was reported.
        control = (StopUser, StopTest, RescheduleTask, RescheduleTaskImmediately, InterruptTaskSet)
        self.in_flight = InFlight(harmless=(ValueError, *control))
        self.user_exceptions = 0
        self.pacing = Pacing()
        self._measures = False
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

    def watch_loop(self) -> None:
        """Measure this process until it ends."""
        # Made anew after a fork.
        self._process, self._cpu, self._lag = psutil.Process(), CpuMeter(), LoopLag()
        gevent.spawn(self._measure_loop)

    def report(self, environment: Any) -> Report:
        """Everything as of now."""
        arrivals = announced().arrivals
        visible = self._measures or any(issubclass(user, locust.HttpUser | locust.FastHttpUser) for user in environment.user_classes)
        return Report(
            waiting=self.in_flight.look(self._settings.starvation_seconds) if visible else None,
            abandoned=dict(self.in_flight.abandoned),
            abandoned_ages=self.in_flight.abandoned_ages,
            user_exceptions=self.user_exceptions,
            cpu_ratio=self._cpu.ratio,
            memory_bytes=self._process.memory_info().rss,
            lag_seconds=self._lag.total_seconds,
            lag_max_seconds=self._lag.max_seconds,
            arrivals=arrivals,
            since_due=self.in_flight.since_due() + arrivals.backlog() if arrivals else None,
            pacing={name: (intervals, self.pacing.missed[name]) for name, intervals in self.pacing.intervals.items()},
        )

    def awaiting(self) -> int:
        """Users whose request waits for the target: for longer than this process may have left an answer unread."""
        return self.in_flight.look(2 * self._lag.max_seconds).starved_users

    def _measured(self, measure: Any) -> Any:
        def measured(*args: Any, **kwargs: Any) -> Any:
            self._measures = True
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


class WorkerSide:
    """Reports a worker's figures to its master."""

    def __init__(self, environment: Any, generator: Generator) -> None:
        self._environment = environment
        self._generator = generator
        self._silent_seconds = 0.0
        """For so long nothing was heard of the master. Time in which this process stood still itself is not in it."""
        environment.events.report_to_master.add_listener(self._add_report)
        environment.events.test_stop.add_listener(self._send_final)
        environment.events.quit.add_listener(self._send_all)
        self._report_before_reset(environment.stats)
        gevent.spawn(self._send_live)

    def _message(self) -> dict[str, Any]:
        return self._generator.report(self._environment).to_message()

    def _add_report(self, data: dict[str, Any], **_: Any) -> None:
        data[MESSAGE] = self._message()

    def _send_final(self, **_: Any) -> None:
        """What was counted since the last report would be cleared by a quick restart."""
        runner = self._environment.runner
        data: dict[str, Any] = {}
        self._environment.events.report_to_master.fire(client_id=runner.client_id, data=data)
        runner.send_message("stats", data)

    def _send_all(self, **_: Any) -> None:
        """A thread of ZeroMQ sends, and ends with the process; Locust does not wait until it has sent the last report."""
        seconds = QUIT_SECONDS if self._silent_seconds < MASTER_SECONDS else 0.0
        self._environment.runner.client.socket.context.destroy(linger=round(seconds * 1000))

    def _report_before_reset(self, stats: Any) -> None:
        """--reset-stats clears a worker's statistics as well. What they hold is for our counters only: Locust's shall forget it."""
        reset_all = stats.reset_all

        def reset() -> None:
            self._environment.runner.send_message(UNREPORTED_MESSAGE, Unreported.of(stats).to_message())
            reset_all()

        stats.reset_all = reset

    def _send_live(self) -> None:
        while self._silent_seconds < MASTER_SECONDS:
            heard = self._environment.runner.last_heartbeat_timestamp
            gevent.sleep(LIVE_SECONDS)
            is_silent = heard is not None and heard == self._environment.runner.last_heartbeat_timestamp
            self._silent_seconds = self._silent_seconds + LIVE_SECONDS if is_silent else 0.0
            # A lost connection is Locust's to mend; the next message says what this one would have said.
            with contextlib.suppress(RPCError):
                self._environment.runner.send_message(MESSAGE, self._message())
        logger.error("Nothing was heard of the master for %g s", MASTER_SECONDS)
        self._environment.runner.quit()


def wait_for_workers(environment: Any, runner: Any) -> None:
    """Let workers report for the last time before the master quits.

    Left to itself it gives them half a second, however long their users' --stop-timeout is, and loses what they report after it.
    """
    quit_now = runner.quit

    def quit_in_order() -> None:
        runner.stop(send_stop_to_client=False)
        runner.send_message("quit")
        deadline = time.monotonic() + environment.stop_timeout + QUIT_SECONDS
        # A worker that has ended is no longer among the clients.
        while any(client.state != STATE_MISSING for client in runner.clients.all) and time.monotonic() < deadline:
            gevent.sleep(0.05)
        quit_now()

    runner.quit = quit_in_order


def register(events: Any) -> None:
    """Bring the exporter into this process."""
    settings = _or_exit(lambda: read_settings(os.environ))
    if settings.exact_buckets:
        locust.stats.bucket_response_time = buckets.round_up  # type: ignore[assignment]
    locust.runners.WORKER_REPORT_INTERVAL = WORKER_REPORT_SECONDS
    generator = Generator(settings)
    generator.watch_clients(events)

    def on_init(environment: Any, runner: Any, **_: Any) -> None:
        is_master = isinstance(runner, MasterRunner)
        generator.watch_loop()
        if not is_master:
            if arrivals := announced().arrivals:
                arrivals.awaiting = generator.awaiting
            for user_class in environment.user_classes:
                generator.pacing.watch(user_class)
        if isinstance(runner, WorkerRunner):
            WorkerSide(environment, generator)
            return
        if is_master:
            wait_for_workers(environment, runner)
        own_report = functools.partial(generator.report, environment)
        _or_exit(Exporter(environment, settings, locust.__version__, own_report, is_master=is_master).start)

    events.init.add_listener(on_init)


def _or_exit(action: Callable[[], Result]) -> Result:
    """The action's result. Locust shows a traceback for an exception; bad input is one line and exit code 2."""
    try:
        return action()
    except BadInput as error:
        logger.error("%s", error)  # noqa: TRY400 - the traceback says nothing to whoever chose the port
        sys.exit(error.exit_code)


# The module is imported as `plugin` by -f and as `locust_exporter.plugin` by an import: what both know is Locust's events.
if not hasattr(locust.events, "firedrill_exporter"):
    locust.events.firedrill_exporter = True  # type: ignore[attr-defined]
    register(locust.events)
