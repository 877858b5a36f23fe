"""Ambiguous evaluations: a replay cannot know what Prometheus wrote at them.

A sample has the time at which its scrape began, and can be read once the scrape has ended; an
evaluation in between saw the previous sample. The same holds for series that another group
records. If an end comes too close to an evaluation to tell which was first, several vectors are
possible. The rule is replayed with each of them, and an evaluation is ambiguous if the outcomes
differ.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from firedrill.alerts.rules import label_templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from firedrill.alerts.replay.alert_state import AlertStateMachine, Labels, State, WrittenAlert

    Vector: TypeAlias = Mapping[Labels, float] | None
    """The elements that an expression gave; None if it failed."""

    SourceKey: TypeAlias = tuple[str, int]
    """A source, and the Unix millisecond at which one scrape or recording of it began."""

COMMIT_MS = 20
"""The longest that storing a scrape takes after its end, unless the machine stalls (see `stalls`).

Includes the two milliseconds by which a scrape may begin late.
"""


class InProgress(NamedTuple):
    """A scrape or recording that was perhaps in progress at an evaluation; Unix milliseconds."""

    readable_by_ms: int
    """When its samples could be read for certain."""
    readable_from_ms: int
    """When its samples could be read at the earliest."""
    source: str
    begun_ms: int

    @property
    def key(self) -> SourceKey:
        """Its source and beginning."""
        return self.source, self.begun_ms


@dataclass(frozen=True, slots=True, eq=False)
class SourceTiming:
    """When a source (a metrics endpoint, or a group that records) was read or evaluated.

    Times in Unix milliseconds, in order, with how long each took until its samples were readable.
    """

    source: str
    begun: Sequence[int]
    shortest: Sequence[int]
    longest: Sequence[int]

    def in_progress(self, time_ms: int) -> Iterator[InProgress]:
        """Yield what was perhaps in progress at a time, latest first: rarely more than one."""
        index = bisect_right(self.begun, time_ms) - 1
        while index >= 0 and time_ms < self.begun[index] + self.longest[index]:
            begun_ms = self.begun[index]
            yield InProgress(
                readable_by_ms=begun_ms + self.longest[index],
                readable_from_ms=begun_ms + self.shortest[index],
                source=self.source,
                begun_ms=begun_ms,
            )
            index -= 1


def scrape_timing(
    endpoint: str, durations_ms: Mapping[int, int], longest: Sequence[int]
) -> SourceTiming:
    """Return the timing of an endpoint's scrapes; durations by the scrape's beginning."""
    return SourceTiming(endpoint, list(durations_ms), list(durations_ms.values()), longest)


def recording_timing(source: str, times: Sequence[int], longest: Sequence[int]) -> SourceTiming:
    """Return the timing of groups that record; what their first rule gives may be there at once."""
    return SourceTiming(source, times, [0] * len(times), longest)


def previous_evaluation_timing(source: str, times: Sequence[int], interval_ms: int) -> SourceTiming:
    """Return the timing of a group for its own rules that read what is recorded after them."""
    one_interval = [interval_ms] * len(times)
    return SourceTiming(source, times, one_interval, one_interval)


def in_progress(time_ms: int, sources: Iterable[SourceTiming]) -> list[InProgress]:
    """Return what was perhaps in progress at a time, in order of the end."""
    return sorted({item for source in sources for item in source.in_progress(time_ms)})


def ambiguous_times(
    machine: AlertStateMachine, evaluations: Sequence[tuple[int, Sequence[Vector]]]
) -> frozenset[int]:
    """Return the times of the evaluations whose written samples are uncertain.

    Args:
        machine: The rule's state machine at its beginning; it is not changed.
        evaluations: Each time, with every vector that the expression may have given.
    """
    return frozenset(
        time_ms
        for part in _independent_parts(machine, evaluations)
        for time_ms in _different(machine, part)
    )


def _independent_parts(
    machine: AlertStateMachine, evaluations: Sequence[tuple[int, Sequence[Vector]]]
) -> Iterator[Sequence[tuple[int, Sequence[Vector]]]]:
    """Yield the evaluations of each disputed alert.

    Alerts of one rule do not depend on each other, unless a limit counts them or a label holds
    their value: then all are one part.
    """
    if machine.limit or label_templates.uses_value(machine.rule):
        yield evaluations
        return
    by_alert = [
        (time_ms, [_by_alert(machine, vector) for vector in vectors])
        for time_ms, vectors in evaluations
    ]
    for alert in _disputed([vectors for _, vectors in by_alert]):
        yield [(time_ms, _only(vectors, alert)) for time_ms, vectors in by_alert]


def _by_alert(machine: AlertStateMachine, vector: Vector) -> Mapping[Labels, Vector] | None:
    """Return a vector's elements by their alert; None if the evaluation fails.

    It also fails if two elements are the same alert.
    """
    if vector is None:
        return None
    elements: dict[Labels, Vector] = {
        machine.alert_labels(labels, value): {labels: value} for labels, value in vector.items()
    }
    return elements if len(elements) == len(vector) else None


def _disputed(evaluations: Sequence[Sequence[Mapping[Labels, Vector] | None]]) -> set[Labels]:
    """Return the alerts that some evaluation has in only some of its possible vectors.

    All alerts, if one evaluation may have failed or not.
    """
    if any(
        None in vectors and any(vector is not None for vector in vectors) for vectors in evaluations
    ):
        return {alert for vectors in evaluations for vector in vectors for alert in vector or ()}
    several = [[vector or {} for vector in vectors] for vectors in evaluations if len(vectors) > 1]
    return {
        alert
        for vectors in several
        for vector in vectors
        for alert in vector
        if any(alert not in other for other in vectors)
    }


def _only(vectors: Sequence[Mapping[Labels, Vector] | None], alert: Labels) -> Sequence[Vector]:
    """Return the different possibilities for one alert: failed, present, absent."""
    by_presence = {None if vector is None else alert in vector: vector for vector in vectors}
    return [None if vector is None else vector.get(alert, {}) for vector in by_presence.values()]


def _different(
    machine: AlertStateMachine, evaluations: Iterable[tuple[int, Sequence[Vector]]]
) -> Iterator[int]:
    """Yield the times at which the possible state machines write different samples.

    If only the beginning of an alert is open, that is one evaluation, and not all that follow.
    """
    machines, was_different = [machine.fork()], False
    for time_ms, vectors in evaluations:
        if not any(vectors) and None not in vectors and all(state.is_idle for state in machines):
            was_different = False
            continue
        next_machines: list[AlertStateMachine] = []
        written = []
        for current in machines:
            for vector in vectors:
                fork = current.fork() if len(vectors) > 1 else current
                written.append(fork.evaluate(time_ms, vector) or {})
                if fork not in next_machines:
                    next_machines.append(fork)
        machines = next_machines
        is_different = any(samples != written[0] for samples in written)
        states = [_states(samples) for samples in written]
        if is_different and (not was_different or any(state != states[0] for state in states)):
            yield time_ms
        was_different = is_different


def _states(written: Mapping[Labels, WrittenAlert]) -> dict[Labels, State]:
    """Return the state of each written alert, without the time since which it has been active."""
    return {labels: alert.state for labels, alert in written.items()}
