"""When each stage was saturated.

One definition for all stages: nine tenths of the limit are used, and something waits in front of
it, in the same window of two scrapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from firedrill.diagnosis.evidence import GROWN, STAGES, StageSeries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firedrill.diagnosis.evidence import Evidence, Points

SATURATED_RATIO = 0.9
"""Used share of its limit from which a stage is saturated, if something waits for it."""

LEAST_CPU_WAIT_SECONDS = 0.004
"""Mean lag of the interpreter while threads wait for it. A thread gives it up after 5 ms if another
one wants it (`sys.getswitchinterval()`); an idle machine has a lag of 0.2 ms."""

LEAST_WAITING = {"generator": 0.1, "cpu": LEAST_CPU_WAIT_SECONDS, "event_loop": 3.0}
"""Least that waits in front of a saturated stage. Of the generator: seconds by which its event loop
is late, a second. Of the CPU: mean lag in seconds.
Of an event loop: requests, some of which are on their way. Of all others: one."""

SUSTAINED_POINTS = 2
"""Points in a row that make a stage saturated; one may be a stall of the machine."""

LEAST_SATURATED_SECONDS = 3.0
LEAST_SHARE = 0.25
"""A stage that was saturated for a smaller share of the time of the longest one is no cause."""

ONE_AT_A_TIME = 1.1
"""Most requests at once in the handler, by process, of a server that never handles two."""

COMPUTING_SHARE = 0.7
"""Share of its time in the handler for which a request that computes uses the CPU."""

HIDDEN_WAIT_SHARE = 1 - 1 / GROWN
"""Share of the requests in the handler that wait in it for something that is shared."""


@dataclass(frozen=True, slots=True)
class Saturation:
    """The saturated time of one stage."""

    stage: str
    used_max: float
    waiting_max: float
    after_seconds: float | None
    seconds: float
    limit: float | None

    @property
    def is_saturated(self) -> bool:
        """Whether the stage was saturated for long enough to be no accident."""
        return self.after_seconds is not None and self.seconds >= LEAST_SATURATED_SECONDS


def is_saturated(stage: str, used: float | None, waiting: float | None) -> bool:
    """Return whether a stage is saturated in one window."""
    if used is None or waiting is None:
        return False
    return used >= SATURATED_RATIO and waiting >= LEAST_WAITING.get(stage, 1.0)


def measure(evidence: Evidence) -> Mapping[str, Saturation]:
    """Return the saturation of each stage that was measured, from the client to the handler."""
    series = {**evidence.stages, **_derived(evidence)}
    return {stage: _of_stage(stage, series[stage]) for stage in STAGES if stage in series}


def deepest(saturations: Mapping[str, Saturation]) -> Saturation | None:
    """Return the deepest saturated stage: back-pressure fills those in front of it."""
    saturated = [found for found in saturations.values() if found.is_saturated]
    longest = max((found.seconds for found in saturated), default=0.0)
    lasting = [found for found in saturated if found.seconds >= LEAST_SHARE * longest]
    return lasting[-1] if lasting else None


def _of_stage(stage: str, series: StageSeries) -> Saturation:
    times = [
        time
        for time, used in sorted(series.used.items())
        if is_saturated(stage, used, series.waiting.get(time))
    ]
    return Saturation(
        stage=stage,
        used_max=_lasting_maximum(series.used),
        waiting_max=_lasting_maximum(series.waiting),
        after_seconds=_first_in_a_row(times),
        seconds=float(len(times)),
        limit=series.limit,
    )


def _lasting_maximum(points: Points) -> float:
    values = [value for _, value in sorted(points.items())]
    return max((min(pair) for pair in pairwise(values)), default=max(values, default=0.0))


def _first_in_a_row(times: list[float]) -> float | None:
    for index, time in enumerate(times[: len(times) - SUSTAINED_POINTS + 1]):
        if times[index + SUSTAINED_POINTS - 1] - time < SUSTAINED_POINTS:
            return time
    return None


def _derived(evidence: Evidence) -> dict[str, StageSeries]:
    """Return the stages whose limit nobody exports: it shows in the times of the handler."""
    derived = {"downstream": _downstream(evidence), "event_loop": _event_loop(evidence)}
    return {
        stage: series
        for stage, series in derived.items()
        if series and _of_stage(stage, series).is_saturated
    }


def _downstream(evidence: Evidence) -> StageSeries | None:
    """Return the use of whatever the handlers wait for: a lock, a pool, a database.

    At its limit the rate stays the same and the handler's time grows with the requests inside,
    while nothing waits for the CPU. Of these, rate x quiet time are served (Little's law), and the
    others wait.
    """
    quiet, model = evidence.quiet_handler_seconds, evidence.model
    windows = [
        window
        for window in evidence.handler
        if window.cpu_used is not None
        and window.cpu_used < SATURATED_RATIO
        and window.lag_seconds < LEAST_CPU_WAIT_SECONDS
    ]
    fastest = max((window.rate for window in windows), default=0.0)
    computes = model and model.cpu_seconds and quiet and model.cpu_seconds > COMPUTING_SHARE * quiet
    if quiet is None or not fastest or computes:
        return None
    waiting = {
        window.after_seconds: max(0.0, window.inside - window.rate * quiet) for window in windows
    }
    used = {
        window.after_seconds: window.rate / fastest
        if waiting[window.after_seconds] >= HIDDEN_WAIT_SHARE * window.inside
        else 0.0
        for window in windows
    }
    return StageSeries(used, waiting, limit=fastest * quiet)


def _event_loop(evidence: Evidence) -> StageSeries | None:
    """Return the use of event loops that handle one request at a time.

    A server without a pool of workers, whose handlers hold never more than one request in each
    process while others wait, is blocked by synchronous calls.
    """
    if "workers" in evidence.stages or not evidence.processes or not evidence.handler:
        return None
    used = {
        window.after_seconds: window.inside / evidence.processes
        for window in evidence.handler
        if window.cpu_used is None or window.cpu_used < SATURATED_RATIO
    }
    if max(used.values(), default=0.0) > ONE_AT_A_TIME:
        return None
    return StageSeries(used, dict(_not_inside(evidence)), limit=float(evidence.processes))


def _not_inside(evidence: Evidence) -> Iterator[tuple[float, float]]:
    for window in evidence.handler:
        sent = evidence.in_flight.get(window.after_seconds)
        if sent is not None:
            yield window.after_seconds, max(0.0, sent - window.inside)
