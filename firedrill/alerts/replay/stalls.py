"""Stalls of the machine, detected from scrapes and evaluations that came late.

All times are Unix milliseconds.
"""

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
    """The stalls of a run: separate spans, in order."""

    spans: Sequence[Span] = ()

    def stored_by(self, time_ms: int) -> int:
        """Return when what ended at a time was stored: `COMMIT_MS` of running time later."""
        stored_ms = time_ms + COMMIT_MS
        first = bisect_right(self.spans, time_ms, key=lambda span: span[1])
        for start, end in self.spans[first:]:
            if start >= stored_ms:
                break
            stored_ms = end + COMMIT_MS
        return stored_ms


def find_stalls(late: Iterable[Span], signs_of_life: Iterable[int]) -> Stalls:
    """Return the stalls, each from the last sign of life before it to the end of what was late.

    Nobody knows when a stall began: between the last thing done in time and the first one late.

    Args:
        late: What was late, as (when it was due, when it happened).
        signs_of_life: Times at which Prometheus did something.
    """
    alive = sorted(set(signs_of_life))
    spans: list[Span] = []
    for due, happened in sorted(late):
        before = bisect_left(alive, due) - 1
        start = alive[before] if before >= 0 else due
        if spans and start <= spans[-1][1]:
            spans[-1] = min(start, spans[-1][0]), max(happened, spans[-1][1])
        else:
            spans.append((start, happened))
    return Stalls(spans)


def late_scrapes(times: Sequence[int]) -> list[Span]:
    """Return the scrapes of an endpoint that began late, as (due, begun).

    Prometheus begins them at one phase of the interval, and records late ones with the time at
    which they really began.
    """
    intervals = [later - earlier for earlier, later in pairwise(times)]
    if not intervals:
        return []
    interval_ms = max(1, mode(intervals))
    phase = mode(time_ms % interval_ms for time_ms in times)
    delays = ((time_ms, (time_ms - phase) % interval_ms) for time_ms in times)
    return [(time_ms - delay_ms, time_ms) for time_ms, delay_ms in delays if delay_ms > COMMIT_MS]


def late_evaluations(
    times: Sequence[int], interval_ms: int, known: Mapping[int, Span], longest_ms: int
) -> list[Span]:
    """Return where a group's evaluations began late, took longer than usual, or were missed.

    Args:
        times: The evaluations that there were.
        interval_ms: The group's interval.
        known: When some of the evaluations began and ended, by their time.
        longest_ms: How long after its time each of the others began at most.
    """
    usual_ms = median(ended - began for began, ended in known.values()) if known else 0
    late = []
    for previous, time_ms in pairwise([times[0] - interval_ms, *times] if times else []):
        due = previous + interval_ms
        assumed_ms = time_ms if due == time_ms else time_ms + longest_ms
        began, ended = known.get(time_ms, (assumed_ms, 0))
        if began - due > COMMIT_MS:
            late.append((due, began))
        if ended - began - usual_ms > COMMIT_MS:
            late.append((began, ended))
    return late
