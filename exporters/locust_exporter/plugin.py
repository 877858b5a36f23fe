"""The plugin that Locust loads: patches its statistics, and starts the exporter or a worker's side.

Import it in a locustfile or name it as a second `-f` file; registering twice is harmless. The
master or the only process serves the metrics endpoint; workers report to their master.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any, TypeVar

import gevent
import locust
import locust.stats
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner
from locust.stats import RequestStats

from firedrill.errors import BadInput
from locust_exporter import load_events, worker
from locust_exporter.counting import locust_statistics, sanitize
from locust_exporter.endpoint.exporter import Exporter
from locust_exporter.exporter_settings import Settings, read_settings
from locust_exporter.generator import Generator

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


def register(events: Any) -> None:
    """Start the exporter in this process."""
    settings = _or_exit(lambda: read_settings(os.environ))
    configure_statistics(settings)
    generator = Generator(settings)
    generator.watch_clients(events)
    load_events.record_listeners(events)
    load_events.follow_workers()
    events.init.add_listener(functools.partial(_on_init, settings, generator))


def configure_statistics(settings: Settings) -> None:
    """Make Locust count safe values in exact buckets, and make workers report every second."""
    RequestStats.log_request = sanitize.sanitized_log_request(RequestStats.log_request)  # type: ignore[method-assign]
    RequestStats.log_error = sanitize.sanitized_log_error(RequestStats.log_error)  # type: ignore[method-assign]
    if settings.exact_buckets:
        locust.stats.bucket_response_time = locust_statistics.bucket_key  # type: ignore[assignment]
    locust.runners.WORKER_REPORT_INTERVAL = worker.REPORT_SECONDS


def _on_init(
    settings: Settings, generator: Generator, environment: Any, runner: Any, **_: Any
) -> None:
    load = load_events.follow(environment)
    generator.follow_load(load)
    generator.watch_loop()
    is_master = isinstance(runner, MasterRunner)
    if is_master:
        wait_for_workers(environment, runner)
    else:
        generator.watch_users(environment.user_classes)
    if isinstance(runner, WorkerRunner):
        worker.WorkerReporter(environment, generator)
    else:
        exporter = Exporter(
            environment=environment,
            settings=settings,
            locust_version=locust.__version__,
            own_report=functools.partial(generator.report, environment),
            is_master=is_master,
            load=load,
        )
        _or_exit(exporter.start)


def wait_for_workers(environment: Any, runner: Any) -> None:
    """Let workers report for the last time before the master quits.

    Left to itself it gives them half a second, however long their users' --stop-timeout is, and
    loses what they report after it.
    """
    quit_now = runner.quit

    def quit_in_order() -> None:
        runner.stop(send_stop_to_client=False)
        runner.send_message("quit")
        deadline = time.monotonic() + environment.stop_timeout + worker.QUIT_SECONDS
        # A worker that has ended is no longer among the clients.
        while (
            any(client.state != STATE_MISSING for client in runner.clients.all)
            and time.monotonic() < deadline
        ):
            gevent.sleep(0.05)
        quit_now()

    runner.quit = quit_in_order


def _or_exit(action: Callable[[], Result]) -> Result:
    """Return the action's result; on bad input, log one line and exit with its code.

    Locust would show a traceback.
    """
    try:
        return action()
    except BadInput as error:
        logger.error("%s", error)  # noqa: TRY400 - the traceback says nothing to whoever chose the port
        sys.exit(error.exit_code)


# -f imports this module as `plugin`, an import as `locust_exporter.plugin`.
if not hasattr(locust.events, "firedrill_exporter"):
    locust.events.firedrill_exporter = True  # type: ignore[attr-defined]
    register(locust.events)
