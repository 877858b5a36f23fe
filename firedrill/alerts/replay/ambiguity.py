"""At which evaluations a replay cannot know what Prometheus wrote, told from scrape data alone.

A sample carries the time at which its scrape began and can be read when the scrape has ended; an evaluation in between saw the sample
before. The same holds for series that another group records. Where the two come too close to tell which was first, there are several
worlds. A rule is replayed in all of them, and unsure is where they write different things.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from firedrill.alerts.rules import label_templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from firedrill.alerts.replay.alert_state import Labels, Replay

    Vector: TypeAlias = Mapping[Labels, float] | None
    """What an expression gave; None if it failed."""

COMMIT_MS = 20
"""What storing a page takes at most beyond its scrape, while the machine keeps nobody waiting (see `stalls`), with the two milliseconds
by which a scrape may begin late."""


class Done(NamedTuple):
    """Something that was perhaps under way at an evaluation."""

    latest_ms: int
    """From when on it could be read for certain."""
    earliest_ms: int
    """From when on it perhaps could."""
    source: str
    begun_ms: int

    @property
    def what(self) -> tuple[str, int]:
        """What it was, whenever it could be read."""
        return self.source, self.begun_ms


@dataclass(frozen=True, slots=True, eq=False)
class Late:
    """Times at which a source (a page, a group that records) was begun, in order, and how long each took until it could be read.

    Milliseconds.
    """

    source: str
    begun: Sequence[int]
    took: Sequence[int]
    """At least."""
    settled: Sequence[int]
    """At most."""

    def done(self, time_ms: int) -> Iterator[Done]:
        """What was perhaps under way at that time: the last that was begun, and one before it that had hardly ended."""
        at = bisect_right(self.begun, time_ms) - 1
        while at >= 0 and time_ms < self.begun[at] + self.settled[at]:
            yield Done(
                self.begun[at] + self.settled[at],
                self.begun[at] + self.took[at],
                self.source,
                self.begun[at],
            )
            at -= 1


def scrapes(page: str, took: Mapping[int, int], settled: Sequence[int]) -> Late:
    """Of a page, by their beginning."""
    return Late(page, list(took), list(took.values()), settled)


def recordings(source: str, times: Sequence[int], settled: Sequence[int]) -> Late:
    """Of groups that had stored all of an evaluation so long after its time at most; what its first rule gave may be there at once."""
    return Late(source, times, [0] * len(times), settled)


def early(source: str, times: Sequence[int], interval_ms: int) -> Late:
    """Of a group, to those of its rules that read what the evaluation before has recorded."""
    return Late(source, times, [interval_ms] * len(times), [interval_ms] * len(times))


def under_way(time_ms: int, sources: Iterable[Late]) -> list[Done]:
    """What was perhaps under way at that time, in order of its end."""
    return sorted({done for source in sources for done in source.done(time_ms)})


def unsure(replay: Replay, evaluations: Sequence[tuple[int, Sequence[Vector]]]) -> frozenset[int]:
    """The evaluations at which it is open what is written.

    Args:
        replay: The rule at its beginning; left as it is.
        evaluations: Each with everything that the expression may have given.
    """
    return frozenset(
        time_ms for part in _parts(replay, evaluations) for time_ms in _different(replay, part)
    )


def _parts(
    replay: Replay, evaluations: Sequence[tuple[int, Sequence[Vector]]]
) -> Iterator[Sequence[tuple[int, Sequence[Vector]]]]:
    """Alerts of one rule know nothing of each other, unless they are counted or named by their value; a part is what may differ."""
    if replay.limit or any(
        label_templates.VALUE.search(text) for text in replay.rule.labels.values()
    ):
        yield evaluations
        return
    named = [
        (time_ms, [_by_alert(replay, vector) for vector in vectors])
        for time_ms, vectors in evaluations
    ]
    for alert in _disputed([vectors for _, vectors in named]):
        yield [(time_ms, _only(vectors, alert)) for time_ms, vectors in named]


def _by_alert(replay: Replay, vector: Vector) -> Mapping[Labels, Vector] | None:
    """What was given by the alert that it means; None if the evaluation fails, also for two elements that mean the same."""
    if vector is None:
        return None
    found: dict[Labels, Vector] = {
        replay.name(labels, value): {labels: value} for labels, value in vector.items()
    }
    return found if len(found) == len(vector) else None


def _disputed(evaluations: Sequence[Sequence[Mapping[Labels, Vector] | None]]) -> set[Labels]:
    """The alerts that some evaluation may have given or not; all, if one may have failed or not."""
    if any(
        None in vectors and any(vector is not None for vector in vectors) for vectors in evaluations
    ):
        return {alert for vectors in evaluations for vector in vectors for alert in vector or ()}
    several = [[vector or {} for vector in vectors] for vectors in evaluations if len(vectors) > 1]
    return {
        alert
        for vectors in several
        for one in vectors
        for alert in one
        if any(alert not in other for other in vectors)
    }


def _only(vectors: Sequence[Mapping[Labels, Vector] | None], alert: Labels) -> Sequence[Vector]:
    """Each way that an alert may have been given in once, whatever its value."""
    ways = {None if vector is None else alert in vector: vector for vector in vectors}
    return [None if vector is None else vector.get(alert, {}) for vector in ways.values()]


def _different(
    replay: Replay, evaluations: Iterable[tuple[int, Sequence[Vector]]]
) -> Iterator[int]:
    worlds = [replay.fork()]
    for time_ms, vectors in evaluations:
        if not any(vectors) and None not in vectors and all(world.is_idle for world in worlds):
            continue
        stepped: list[Replay] = []
        written = []
        for world in worlds:
            for vector in vectors:
                fork = world.fork() if len(vectors) > 1 else world
                written.append(fork.evaluate(time_ms, vector) or {})
                if fork not in stepped:
                    stepped.append(fork)
        worlds = stepped
        if any(one != written[0] for one in written):
            yield time_ms
