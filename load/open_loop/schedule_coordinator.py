"""On a master: gives an open loop's schedule out to the workers there are."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import gevent
from locust.runners import STATE_MISSING

from .backlog import SETTLED_SECONDS, STOP_SECONDS
from .schedule import schedule_of
from .schedule_shards import GIVEN_AHEAD_SECONDS, GIVING_SECONDS, ShardAllocator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust.runners import MasterRunner
    from locust_exporter.profile_info import Arrivals

    from firedrill.profile import Profile

REPORTED_SECONDS = 3.0
"""So long after a load every worker that lives has reported the last of it, if it has not left before."""

MESSAGE = "firedrill_span"
"""Type of a master's message: seconds since the load began, and the worker's next Shard."""


class ScheduleCoordinator:
    """Gives out one span of time after the other, so that no arrival is anybody's twice, whoever stood still, died or came back."""

    def __init__(self, profile: Profile, arrivals: Arrivals, runner: MasterRunner) -> None:
        self._profile = profile
        self._arrivals = arrivals
        self._runner = runner
        self._began = 0.0
        self._asked: Mapping[str, int] = {}
        """By the loads before this one."""
        self._allocator = ShardAllocator(schedule_of(profile), self._asked)
        self._giving: gevent.Greenlet | None = None

    def start(self) -> None:
        """The load begins."""
        shape: Any = self._runner.environment.shape_class
        self._began = time.perf_counter() - shape.get_run_time()
        self._allocator = ShardAllocator(schedule_of(self._profile), self._asked)
        self._give()
        self._giving = gevent.spawn(self._go_on)

    def stop(self) -> None:
        """The load ends."""
        if self._giving:
            self._giving.kill()
            self._asked = self._allocator.asked_before(self._now() - STOP_SECONDS)
            gevent.spawn(self._settle)
        self._giving = None

    def _go_on(self) -> None:
        while True:
            gevent.sleep(GIVING_SECONDS)
            self._give()
            self._tell(self._allocator.asked_before(self._now() - SETTLED_SECONDS))

    def _give(self) -> None:
        for worker, shard in self._allocator.extend(
            self._now() + GIVEN_AHEAD_SECONDS, self._present()
        ).items():
            self._runner.send_message(
                MESSAGE, {"elapsed_seconds": self._now(), "shard": asdict(shard)}, worker
            )

    def _settle(self) -> None:
        deadline = time.perf_counter() + REPORTED_SECONDS
        while self._present() and time.perf_counter() < deadline:
            gevent.sleep(0.05)
        self._tell(self._asked)

    def _tell(self, asked: Mapping[str, int]) -> None:
        self._arrivals.asked = asked

    def _present(self) -> list[str]:
        return sorted(
            worker.id for worker in self._runner.clients.all if worker.state != STATE_MISSING
        )

    def _now(self) -> float:
        return time.perf_counter() - self._began
