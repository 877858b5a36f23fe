"""The hooks of an open workload in Locust: its request event, TaskSet and WorkerRunner.

A user is a slot: it waits for an arrival before each of its tasks, and has no think time. A nested
TaskSet takes an arrival for each of its tasks. Spawning, stopping, on_start, cookies, tags and
workers stay Locust's.
"""

from __future__ import annotations

import gc
import math
import os
from typing import TYPE_CHECKING, Any

import gevent
import locust
from geventhttpclient.connectionpool import ConnectionPool
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner
from locust.user.task import LOCUST_STATE_STOPPING, TaskSet
from locust_exporter import load_events
from locust_exporter.counting.arrival_counts import ArrivalCounts
from locust_exporter.exporter_settings import read_settings

from .arrival_dispatcher import ArrivalDispatcher
from .idle_connections import is_idle
from .live_rates import LiveRates
from .schedule_coordinator import MESSAGE, ScheduleCoordinator
from .schedule_shards import Shard

if TYPE_CHECKING:
    from firedrill.profile import Profile

SHARD_SECONDS = 3.0
"""A worker that has been assigned no shard for so long warns."""


def install(profile: Profile) -> ArrivalCounts:
    """Make this process's load an open workload; return the counts of its arrivals."""
    arrivals = ArrivalCounts(read_settings(os.environ).max_names)
    live = LiveRates.from_environment(os.environ)
    dispatcher = ArrivalDispatcher(profile, arrivals, live)
    _wait_for_arrivals(dispatcher)
    _receive_shards_from_the_start(dispatcher)
    # select() refuses descriptors from 1024 on, and every request would connect anew.
    ConnectionPool._is_socket_alive = is_idle  # type: ignore[method-assign,assignment]  # noqa: SLF001
    locust.events.request.add_listener(dispatcher.on_request)  # type: ignore[no-untyped-call]

    def on_init(environment: Any, runner: Any, **_: Any) -> None:
        if isinstance(runner, MasterRunner):
            coordinator = ScheduleCoordinator(profile, arrivals, runner, live)
            load_events.follow(environment).on_begin.append(coordinator.start)
            environment.events.test_stopping.add_listener(lambda **_: coordinator.stop())
            return
        # All users stand still while garbage is collected. Objects that are alive now stay alive:
        # to search them takes tens of milliseconds, to search 10,000 new objects about one.
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 20, 100)
        environment.events.test_stopping.add_listener(lambda **_: dispatcher.end_load())
        if isinstance(runner, WorkerRunner):
            # Which is after the set-up of all workers.
            environment.events.spawning_complete.add_listener(
                lambda **_: gevent.spawn_later(SHARD_SECONDS, dispatcher.warn_without_shard)
            )
        else:
            load_events.follow(environment).on_begin.append(
                lambda: _begin_alone(dispatcher, environment)
            )

    locust.events.init.add_listener(on_init)  # type: ignore[no-untyped-call]
    return arrivals


def _receive_shards_from_the_start(dispatcher: ArrivalDispatcher) -> None:
    """Listen for shards before `init`, because a master sends them to its last worker at once."""
    connect_to_master = WorkerRunner.connect_to_master

    def connect(self: Any) -> None:
        if MESSAGE not in self.custom_messages:
            self.register_message(
                MESSAGE, lambda environment, msg: _on_shard(dispatcher, environment, msg)
            )
        connect_to_master(self)  # type: ignore[no-untyped-call]

    WorkerRunner.connect_to_master = connect  # type: ignore[method-assign]


def _begin_alone(dispatcher: ArrivalDispatcher, environment: Any) -> None:
    dispatcher.begin_load(environment.shape_class.get_run_time(), environment)
    dispatcher.add_shard(Shard(from_seconds=0.0, until_seconds=math.inf, index=0, of=1))


def _on_shard(dispatcher: ArrivalDispatcher, environment: Any, msg: Any) -> None:
    dispatcher.begin_load(msg.data["elapsed_seconds"], environment)
    dispatcher.add_shard(Shard(**msg.data["shard"]))


def _wait_for_arrivals(dispatcher: ArrivalDispatcher) -> None:
    """Wait for an arrival before every task that is no TaskSet, and do not wait after it."""
    execute_next_task = TaskSet.execute_next_task

    def execute(self: Any) -> None:
        task = self._task_queue[0]
        if not (isinstance(task, type) and issubclass(task, TaskSet)):
            dispatcher.wait_for_arrival(self.user)
        execute_next_task(self)  # type: ignore[no-untyped-call]

    def wait(self: Any) -> None:
        dispatcher.time_slice.pause_if_over()
        if self.user._state == LOCUST_STATE_STOPPING:  # noqa: SLF001
            raise StopUser

    TaskSet.execute_next_task = execute  # type: ignore[method-assign]
    TaskSet.wait = wait  # type: ignore[method-assign]
