"""When a run's Prometheus was kept waiting by its machine, told from what it began or ended late. Pure; Unix milliseconds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise
from statistics import median, mode
from typing import TYPE_CHECKING

from firedrill.alerts.replay.ambiguity import COMMIT_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Stalls:
    """Times of waiting, apart from each other and in order."""

    spans: Sequence[Span] = ()

    def settled(self, time_ms: int) -> int:
        """When Prometheus had run for `COMMIT_MS` after that time for certain, so that what was to be stored was stored."""
        end = time_ms + COMMIT_MS
        for start, stop in self.spans[
            bisect_right(self.spans, time_ms, key=lambda span: span[1]) :
        ]:
            if start >= end:
                break
            end = stop + COMMIT_MS
        return end


def stalls(late: Iterable[Span], signs: Iterable[int]) -> Stalls:
    """Join what was late, as (when it was due, when it happened), and begin each at the last sign of life before.

    Nobody knows when a machine stood still first: between the last that it did and the first that it did not do in time.
    """
    alive = sorted(set(signs))
    joined: list[Span] = []
    for due, happened in sorted(late):
        before = bisect_left(alive, due) - 1
        start = alive[before] if before >= 0 else due
        if joined and start <= joined[-1][1]:
            joined[-1] = min(start, joined[-1][0]), max(happened, joined[-1][1])
        else:
            joined.append((start, happened))
    return Stalls(joined)


def late_scrapes(times: Sequence[int]) -> list[Span]:
    """Scrapes of a page that began late: Prometheus begins them at one phase, and tells the time of those that were late as it was."""
    apart = [later - earlier for earlier, later in pairwise(times)]
    if not apart:
        return []
    interval_ms = max(1, mode(apart))
    phase = mode(time_ms % interval_ms for time_ms in times)
    waits = ((time_ms, (time_ms - phase) % interval_ms) for time_ms in times)
    return [(time_ms - wait_ms, time_ms) for time_ms, wait_ms in waits if wait_ms > COMMIT_MS]


def late_evaluations(
    times: Sequence[int], interval_ms: int, known: Mapping[int, Span], longest_ms: int
) -> list[Span]:
    """Evaluations of a group that began late, that took longer than they do, or before which others were missed.

    Args:
        times: Those that there were.
        interval_ms: How far apart they are to be.
        known: When some of them began and ended.
        longest_ms: How long after its time each of the others had begun at most.
    """
    usual_ms = median(ended - began for began, ended in known.values()) if known else 0
    found = []
    for before, time_ms in pairwise([times[0] - interval_ms, *times] if times else []):
        due = before + interval_ms
        began, ended = known.get(time_ms, (time_ms if due == time_ms else time_ms + longest_ms, 0))
        found += [(due, began)] if began - due > COMMIT_MS else []
        found += [(began, ended)] if ended - began - usual_ms > COMMIT_MS else []
    return found
