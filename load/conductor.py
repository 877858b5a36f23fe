"""On a master: gives an open loop's schedule out to the workers there are."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from math import inf
from typing import TYPE_CHECKING, Any

import gevent
from arrivals import schedule_of
from backlog import PATIENCE_SECONDS
from locust.runners import STATE_MISSING
from shares import GIVEN_AHEAD_SECONDS, GIVING_SECONDS, Allotment

if TYPE_CHECKING:
    from locust.runners import MasterRunner
    from locust_exporter.facts import Arrivals

    from firedrill.profile import Profile

MESSAGE = "firedrill_share"
"""Type of a master's message: seconds since the load began, and the worker's next Share."""


class Conductor:
    """Gives out one span of time after the other, so that no arrival is anybody's twice, whoever stood still, died or came back."""

    def __init__(self, profile: Profile, arrivals: Arrivals, runner: MasterRunner) -> None:
        self._profile = profile
        self._arrivals = arrivals
        self._runner = runner
        self._began = 0.0
        self._asked: Counter[str] = Counter()
        self._allotment = Allotment(schedule_of(profile), self._asked)
        self._giving: gevent.Greenlet | None = None

    def start(self) -> None:
        """The load begins."""
        shape: Any = self._runner.environment.shape_class
        self._began = time.perf_counter() - shape.get_run_time()
        self._allotment = Allotment(schedule_of(self._profile), self._asked)
        self._give()
        self._giving = gevent.spawn(self._go_on)

    def stop(self) -> None:
        """The load ends."""
        if self._giving:
            self._giving.kill()
            self._count_lost(inf)
        self._giving = None

    def _go_on(self) -> None:
        while True:
            gevent.sleep(GIVING_SECONDS)
            self._give()
            # What was given to one that comes back sooner may still be begun.
            self._count_lost(self._now() - PATIENCE_SECONDS)

    def _give(self) -> None:
        for worker, share in self._allotment.extend(self._now() + GIVEN_AHEAD_SECONDS, self._present()).items():
            self._runner.send_message(MESSAGE, {"elapsed_seconds": self._now(), "share": asdict(share)}, worker)

    def _count_lost(self, before_seconds: float) -> None:
        """What was asked of workers that are missing, and had begun nothing of it when its time was over."""
        present = set(self._present())
        for lost in self._allotment.given_before(before_seconds) - present:
            self._arrivals.asked_of_lost[lost] = self._asked[lost]
        for back in present:
            self._arrivals.asked_of_lost.pop(back, None)

    def _present(self) -> list[str]:
        return sorted(worker.id for worker in self._runner.clients.all if worker.state != STATE_MISSING)

    def _now(self) -> float:
        return time.perf_counter() - self._began
