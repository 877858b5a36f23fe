"""The schedule coordinator: on a master, it sends shards of the schedule to the workers."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import gevent
from locust.runners import STATE_MISSING

from .backlog import SETTLED_SECONDS, STOP_SECONDS
from .schedule import schedule_of
from .schedule_shards import ALLOCATED_AHEAD_SECONDS, ALLOCATION_SECONDS, ShardAllocator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust.runners import MasterRunner
    from locust_exporter.counting.arrival_counts import ArrivalCounts

    from firedrill.profile import Profile

    from .live_rates import LiveRates

REPORTED_SECONDS = 3.0
"""Time after a load in which every live worker has sent its last report or left."""

MESSAGE = "firedrill_span"
"""Type of a master's message: seconds since the load began, and the worker's next Shard."""


class ScheduleCoordinator:
    """Sends out one span of time after the other, so that no arrival is assigned twice.

    That holds whether workers stand still, die or come back.
    """

    def __init__(
        self,
        profile: Profile,
        arrivals: ArrivalCounts,
        runner: MasterRunner,
        live: LiveRates | None = None,
    ) -> None:
        self._schedule = schedule_of(profile, live)
        self._arrivals = arrivals
        self._runner = runner
        self._began = 0.0
        self._assigned_before: Mapping[str, int] = {}
        """Arrivals assigned to each worker in the loads before this one."""
        self._allocator = ShardAllocator(self._schedule, self._assigned_before)
        self._sending: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin a load."""
        shape: Any = self._runner.environment.shape_class
        self._began = time.perf_counter() - shape.get_run_time()
        self._allocator = ShardAllocator(self._schedule, self._assigned_before)
        self._send_shards()
        self._sending = gevent.spawn(self._keep_sending)

    def stop(self) -> None:
        """End the load."""
        if self._sending:
            self._sending.kill()
            self._assigned_before = self._allocator.assigned_before(self._now() - STOP_SECONDS)
            gevent.spawn(self._settle)
        self._sending = None

    def _keep_sending(self) -> None:
        while True:
            gevent.sleep(ALLOCATION_SECONDS)
            self._send_shards()
            self._arrivals.assigned = self._allocator.assigned_before(self._now() - SETTLED_SECONDS)

    def _send_shards(self) -> None:
        until = self._now() + ALLOCATED_AHEAD_SECONDS
        for worker, shard in self._allocator.allocate_until(until, self._present()).items():
            self._runner.send_message(
                MESSAGE, {"elapsed_seconds": self._now(), "shard": asdict(shard)}, worker
            )

    def _settle(self) -> None:
        deadline = time.perf_counter() + REPORTED_SECONDS
        while self._present() and time.perf_counter() < deadline:
            gevent.sleep(0.05)
        self._arrivals.assigned = self._assigned_before

    def _present(self) -> list[str]:
        return sorted(
            worker.id for worker in self._runner.clients.all if worker.state != STATE_MISSING
        )

    def _now(self) -> float:
        return time.perf_counter() - self._began
