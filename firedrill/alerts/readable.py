"""What expressions gave while samples were under way: asked of a Prometheus that is given each sample when it could be read."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from firedrill.alerts import ambiguity, expression, grid
from firedrill.alerts.replay import Replay
from firedrill.stack import remote
from firedrill.stack.reopened import Reopened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from firedrill.alerts.ambiguity import Late, Vector
    from firedrill.alerts.bench import Bench
    from firedrill.alerts.rulefile import Group, Rule
    from firedrill.interrupt import Interrupt
    from firedrill.prom import Prometheus


@dataclass(frozen=True, slots=True)
class Seen:
    """What a rule's evaluations saw."""

    vectors: list[Vector]
    """At each evaluation, what the expression most likely gave."""
    unsure: frozenset[int]
    """The evaluations at which it is open what was written."""


@dataclass(frozen=True, slots=True, order=True)
class _Ask:
    """What did a rule's expression give at a time, when everything was known that could be read at a moment? Unix milliseconds."""

    moment_ms: int
    time_ms: int
    number: int
    """Which of the rules."""


@dataclass(frozen=True, slots=True)
class _Worlds:
    """What may have been known at one evaluation: what was under way ended in this order, and some of it first."""

    time_ms: int
    done_ms: Sequence[tuple[int, int]]
    """When each could be read for certain, and when at the earliest."""
    lag_ms: int
    """How long after its time it had ended."""

    @property
    def readable(self) -> int:
        """So many things at most could be read; most likely so many were."""
        ended_ms = self.time_ms + self.lag_ms
        return max((number for number, (_, earliest) in enumerate(self.done_ms, start=1) if earliest <= ended_ms), default=0)

    @property
    def moments(self) -> list[int]:
        """When nothing of it could be read, when the first, and so on; without the last, which is what the replay sees by itself."""
        return [self.time_ms, *(latest for latest, _ in self.done_ms)][: self.readable + 1][: len(self.done_ms)]


def seen(bench: Bench, group: Group, evaluated: Sequence[tuple[Rule, Sequence[Vector]]], interrupt: Interrupt) -> list[Seen]:
    """What the alerts of a group saw, in their order.

    Args:
        bench: The run.
        group: The group.
        evaluated: Its alerts, each with what its expression gives by the samples' time stamps.
        interrupt: Ends the waiting for a Prometheus.
    """
    times = list(zip(bench.times_of(group)[0], bench.lags_ms(group), strict=True))
    late = [_late(bench.late(rule, group), times) for rule, _ in evaluated]
    asks = _affordable(
        bench.most_asked,
        [[_Ask(moment, one.time_ms, number) for one in listed for moment in one.moments] for number, listed in enumerate(late)],
    )
    answers = _answers(bench, group, [rule for rule, _ in evaluated], asks, interrupt) if asks else {}
    asked = {ask.number for ask in asks}
    return [
        _seen(bench, group, rule, vectors, {one.time_ms: (one, answers[number, one.time_ms]) for one in late[number]})
        if number in asked
        else Seen(list(vectors), _from_first(late[number], times))
        for number, (rule, vectors) in enumerate(evaluated)
    ]


def _late(sources: Sequence[Late], times: Sequence[tuple[int, int]]) -> list[_Worlds]:
    """The evaluations amid something."""
    worlds = (_Worlds(time_ms, ambiguity.under_way(time_ms, sources), lag_ms) for time_ms, lag_ms in times)
    return [one for one in worlds if one.done_ms]


def _from_first(late: Sequence[_Worlds], times: Sequence[tuple[int, int]]) -> frozenset[int]:
    """What was open once may be so for ever: what is pending, and since when."""
    return frozenset(time_ms for time_ms, _ in times if late and time_ms >= late[0].time_ms)


def _affordable(most: int, asks: Sequence[Sequence[_Ask]]) -> list[_Ask]:
    """Those of as many rules as may be, in order of the moments."""
    chosen: list[_Ask] = []
    for listed in sorted(asks, key=len):
        chosen += listed if len(chosen) + len(listed) <= most else ()
    return sorted(chosen)


def _answers(
    bench: Bench, group: Group, rules: Sequence[Rule], asks: Sequence[_Ask], interrupt: Interrupt
) -> dict[tuple[int, int], list[Vector]]:
    """By number and time."""
    read = {selector.name for ask in asks for selector in expression.selectors(rules[ask.number].expr)}
    found: dict[tuple[int, int], list[Vector]] = {}
    with Reopened(None, interrupt) as reopened:
        feed = _Feed(reopened.prom, bench.samples(read), asks, bench.readable_to(group))
        for ask in asks:
            feed.until(ask.moment_ms)
            found.setdefault((ask.number, ask.time_ms), []).append(grid.at(reopened.prom, rules[ask.number].expr, ask.time_ms))
    return found


def _seen(bench: Bench, group: Group, rule: Rule, vectors: Sequence[Vector], late: Mapping[int, tuple[_Worlds, Sequence[Vector]]]) -> Seen:
    likely, possible = [], []
    for time_ms, vector in zip(bench.times_of(group)[0], vectors, strict=True):
        worlds, earlier = late.get(time_ms, (None, ()))
        known = [*earlier, vector]
        likely.append(known[worlds.readable if worlds else 0])
        possible.append((time_ms, known[: worlds.readable + 1] if worlds else known))
    return Seen(likely, ambiguity.unsure(Replay(rule, group.limit, bench.silence_of(group)), possible))


class _Feed:
    """A Prometheus that is given at once what no question comes before, and the rest when it became readable."""

    def __init__(
        self, prom: Prometheus, series: Sequence[Any], asks: Sequence[_Ask], readable: Callable[[Mapping[str, str], int], int]
    ) -> None:
        self._prom = prom
        times = sorted({ask.time_ms for ask in asks})
        waiting = [held for one in series for held in _held_back(one, times, readable)]
        self._waiting = deque(sorted(waiting, key=itemgetter(0)))
        remote.write(prom.url, series)

    def until(self, moment_ms: int) -> None:
        """Hand over what could be read at this moment."""
        batch = []
        while self._waiting and self._waiting[0][0] <= moment_ms:
            batch.append(self._waiting.popleft()[1])
        remote.write(self._prom.url, batch)


def _held_back(series: Any, times: Sequence[int], readable: Callable[[Mapping[str, str], int], int]) -> list[tuple[int, Any]]:
    """Take from a series those samples that were on their way at one of the times; each as a series, with when it could be read."""
    labels = {label.name: label.value for label in series.labels}
    held: dict[int, int] = {}
    for time_ms in times:
        at = bisect_right(series.samples, time_ms, key=attrgetter("timestamp")) - 1
        if at >= 0 and (moment_ms := readable(labels, series.samples[at].timestamp)) > time_ms:
            held[at] = moment_ms
    found = []
    for at in sorted(held, reverse=True):
        alone = remote.series(labels)
        alone.samples.add(timestamp=series.samples[at].timestamp, value=series.samples[at].value)
        found.append((held[at], alone))
        del series.samples[at]
    return found
