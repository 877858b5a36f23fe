"""What expressions gave while samples were under way: asked of a Prometheus that is given each sample when it could be read."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from itertools import combinations, groupby
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

import promql_parser as promql

from firedrill.alerts.replay import ambiguity, evaluation_order, evaluation_times
from firedrill.alerts.replay.alert_state import Replay
from firedrill.alerts.rules import expression
from firedrill.prometheus import remote
from firedrill.prometheus.recorded_data import Reopened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from firedrill.alerts.replay.alert_state import Labels
    from firedrill.alerts.replay.ambiguity import Done, Late, Vector
    from firedrill.alerts.replay.environment import Bench
    from firedrill.alerts.replay.timeline import Lag
    from firedrill.alerts.rules.rule_file import Group, Rule
    from firedrill.interrupt import Interrupt
    from firedrill.prometheus.client import Prometheus

    What = tuple[str, int]
    """A source, and when what it gave was begun."""

GATHERING = {"absent", "absent_over_time", "scalar"}
"""Functions that make one element of many."""
MOST_AT_ONCE = 4
"""Sources under way at one evaluation whose every order is tried."""


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

    turn: int
    """0 where what was under way ends as it did; each other one is asked of a Prometheus of its own."""
    moment_ms: int
    time_ms: int
    number: int
    """Which of the rules."""
    known: frozenset[What] = field(default=frozenset(), compare=False)
    """What else was known."""

    @property
    def question(self) -> tuple[int, int, int]:
        """What is asked of several rules at once."""
        return self.turn, self.moment_ms, self.time_ms


@dataclass(frozen=True, slots=True)
class Worlds:
    """What may have been known at one evaluation: what was under way ended in this order, and some of it first."""

    time_ms: int
    done: Sequence[Done]
    lag_ms: int
    """How long after its time it had ended at most."""
    likely_lag_ms: int = -1
    """And most likely, if that is not the same."""

    @property
    def steps(self) -> list[int]:
        """When each could be read for certain."""
        return sorted({one.latest_ms for one in self.done})

    @property
    def readable(self) -> int:
        """So many steps at most could be done."""
        return self._readable_at(self.ended_ms)

    @property
    def likely(self) -> int:
        """So many steps most likely were."""
        return (
            self._readable_at(self.time_ms + self.likely_lag_ms)
            if self.likely_lag_ms >= 0
            else self.readable
        )

    def _readable_at(self, moment_ms: int) -> int:
        begun = {
            latest: max(one.earliest_ms for one in self.done if one.latest_ms == latest)
            for latest in self.steps
        }
        return max(
            (
                number
                for number, latest in enumerate(self.steps, start=1)
                if begun[latest] <= moment_ms
            ),
            default=0,
        )

    @property
    def ended_ms(self) -> int:
        """When the evaluation had."""
        return self.time_ms + self.lag_ms

    @property
    def is_in_order(self) -> bool:
        """Whether each step is of what ended at once, and not of what a stall ended together."""
        return len({(one.latest_ms, one.earliest_ms) for one in self.done}) == len(self.steps)

    @property
    def moments(self) -> list[int]:
        """When nothing of it could be read, when the first, and so on; without the last, which is what the replay sees by itself."""
        return [self.time_ms, *self.steps][: self.readable + 1][: len(self.steps)]

    @property
    def others(self) -> list[frozenset[What]]:
        """What alone may have been readable, in another order than that of the ends."""
        in_order = [
            frozenset(one.what for one in self.done if one.latest_ms <= latest)
            for latest in self.steps[: self.readable]
        ]
        seen = [one for one in self.done if one.earliest_ms <= self.ended_ms][:MOST_AT_ONCE]
        chosen = (some for number in range(1, len(seen) + 1) for some in combinations(seen, number))
        possible = [
            frozenset(one.what for one in some)
            for some in chosen
            if self._is_possible(frozenset(some))
        ]
        return [one for one in possible if one not in in_order]

    def _is_possible(self, some: frozenset[Done]) -> bool:
        """Whether there was a moment at which these could be read and the others not."""
        begins = max(one.earliest_ms for one in some)
        return all(begins < one.latest_ms for one in self.done if one not in some)


def seen(
    bench: Bench,
    group: Group,
    evaluated: Sequence[tuple[Rule, Sequence[Vector]]],
    interrupt: Interrupt,
) -> list[Seen]:
    """What the alerts of a group saw, in their order.

    Args:
        bench: The run.
        group: The group.
        evaluated: Its alerts, each with what its expression gives by the samples' time stamps.
        interrupt: Ends the waiting for a Prometheus, and the asking.
    """
    early = {
        id(rule): frozenset(evaluation_order.read_early(group, number))
        for number, rule in enumerate(group.rules)
    }
    found: dict[int, Seen] = {}
    for names in {early[id(rule)] for rule, _ in evaluated}:
        alike = [(rule, vectors) for rule, vectors in evaluated if early[id(rule)] == names]
        for (rule, _), one in zip(
            alike, _seen_alike(bench, group, alike, names, interrupt), strict=True
        ):
            found[id(rule)] = replace(one, unsure=one.unsure | bench.unsettled(group, rule))
    return [found[id(rule)] for rule, _ in evaluated]


def _seen_alike(
    bench: Bench,
    group: Group,
    evaluated: Sequence[tuple[Rule, Sequence[Vector]]],
    early: frozenset[str],
    interrupt: Interrupt,
) -> list[Seen]:
    """What alerts saw that read the same names early."""
    times = list(zip(bench.timeline.times_of(group)[0], bench.timeline.lags_ms(group), strict=True))
    sources = [tuple(dict.fromkeys(bench.timeline.late(rule, group))) for rule, _ in evaluated]
    worlds = {some: _late(some, times) for some in set(sources)}
    late = [worlds[some] for some in sources]
    turns: dict[int, list[frozenset[What]]] = {}
    asks = _affordable(
        bench.most_asked,
        [
            list(_asks(number, rule, late[number], turns))
            for number, (rule, _) in enumerate(evaluated)
        ],
    )
    rules = [rule for rule, _ in evaluated]
    answers = _answers(
        bench, rules, asks, lambda labels: bench.timeline.late_of(labels, group, early), interrupt
    )
    asked = {ask.number for ask in asks}
    bench.unasked += [
        rule for number, rule in enumerate(rules) if late[number] and number not in asked
    ]
    return [
        _seen(
            bench,
            group,
            rule,
            vectors,
            {one.time_ms: (one, answers[number, one.time_ms]) for one in late[number]},
        )
        if number in asked
        else Seen(list(vectors), _from_first(late[number], times))
        for number, (rule, vectors) in enumerate(evaluated)
    ]


def _asks(
    number: int, rule: Rule, late: Sequence[Worlds], turns: dict[int, list[frozenset[What]]]
) -> Iterator[_Ask]:
    by_element = _is_by_element(rule.expr)
    for one in late:
        yield from (_Ask(0, moment_ms, one.time_ms, number) for moment_ms in one.moments)
        for sources in () if by_element and one.is_in_order else one.others:
            listed = turns.setdefault(one.time_ms, [])
            listed += [sources] if sources not in listed else []
            yield _Ask(listed.index(sources) + 1, one.time_ms, one.time_ms, number, sources)


def _is_by_element(expr: str) -> bool:
    """Whether each element of the result comes from one series, and so from one source: then their order means nothing."""
    return len(expression.selectors(expr)) == 1 and not _gathers(expression.parse(expr))


def _gathers(node: Any) -> bool:
    is_one = isinstance(node, promql.AggregateExpr) or (
        isinstance(node, promql.Call) and node.func.name in GATHERING
    )
    return is_one or any(_gathers(child) for child in expression.children(node))


def _late(sources: Sequence[Late], times: Sequence[tuple[int, Lag]]) -> list[Worlds]:
    """The evaluations amid something."""
    worlds = (
        Worlds(time_ms, ambiguity.under_way(time_ms, sources), lag.most, lag.likely)
        for time_ms, lag in times
    )
    return [one for one in worlds if one.done]


def _from_first(late: Sequence[Worlds], times: Sequence[tuple[int, Lag]]) -> frozenset[int]:
    """What was open once may be so for ever: what is pending, and since when."""
    return frozenset(time_ms for time_ms, _ in times if late and time_ms >= late[0].time_ms)


def _affordable(most: int, asks: Sequence[Sequence[_Ask]]) -> list[_Ask]:
    """Those of as many rules as may be, in order of the moments."""
    chosen: list[_Ask] = []
    questions: set[tuple[int, int, int]] = set()
    for listed in sorted(asks, key=len):
        together = questions.union(ask.question for ask in listed)
        if len(together) <= most:
            chosen += listed
            questions = together
    return sorted(chosen)


def _answers(
    bench: Bench,
    rules: Sequence[Rule],
    asks: Sequence[_Ask],
    late_of: Callable[[Mapping[str, str]], Late | None],
    interrupt: Interrupt,
) -> dict[tuple[int, int], tuple[list[Vector], list[Vector]]]:
    """By number and time: in order of the ends, and in others."""
    found: dict[tuple[int, int], tuple[list[Vector], list[Vector]]] = {
        (ask.number, ask.time_ms): ([], []) for ask in asks
    }
    for turn, listed in groupby(asks, attrgetter("turn")):
        asked = list(listed)
        with Reopened(None, interrupt, lookback_seconds=bench.lookback_seconds) as reopened:
            samples = bench.samples({rules[ask.number].expr for ask in asked})
            feed = _Feed(reopened.prom, samples, {ask.time_ms: ask.known for ask in asked}, late_of)
            for (_, moment_ms, time_ms), alike in interrupt.heeded(
                groupby(asked, attrgetter("question"))
            ):
                feed.until(moment_ms)
                exprs = {ask.number: rules[ask.number].expr for ask in alike}
                vectors = evaluation_times.at_once(reopened.prom, exprs.values(), time_ms)
                for number, expr in exprs.items():
                    found[number, time_ms][turn > 0].append(vectors[expr])
    return found


def _seen(
    bench: Bench,
    group: Group,
    rule: Rule,
    vectors: Sequence[Vector],
    late: Mapping[int, tuple[Worlds, tuple[Sequence[Vector], Sequence[Vector]]]],
) -> Seen:
    likely, possible = [], []
    for time_ms, vector in zip(bench.timeline.times_of(group)[0], vectors, strict=True):
        worlds, (earlier, others) = late.get(time_ms, (None, ((), ())))
        known = [*earlier, vector]
        likely.append(known[worlds.likely if worlds else 0])
        possible.append((time_ms, [*(known[: worlds.readable + 1] if worlds else known), *others]))
    return Seen(
        likely, ambiguity.unsure(Replay(rule, group.limit, bench.silence_of(group)), possible)
    )


class _Feed:
    """A Prometheus that is given at once what no question comes before, and the rest when it became readable.

    What is known at the time of a question all the same is not held back there.
    """

    def __init__(
        self,
        prom: Prometheus,
        series: Sequence[Any],
        known: Mapping[int, frozenset[What]],
        late_of: Callable[[Mapping[str, str]], Late | None],
    ) -> None:
        self._prom, self._known, self._late_of = prom, known, late_of
        self._held: dict[Late, Mapping[int, int]] = {}
        self._pages: dict[tuple[Labels, ...], remote.SampleWriter] = {}
        self._waiting = deque(
            sorted((held for one in series for held in self._held_back(one)), key=itemgetter(0))
        )
        remote.write(prom.url, series)

    def until(self, moment_ms: int) -> None:
        """Hand over what could be read at this moment."""
        batch = []
        while self._waiting and self._waiting[0][0] <= moment_ms:
            batch.append(self._waiting.popleft())
        if batch:
            page = tuple(labels for _, labels, _ in batch)
            if page not in self._pages:
                self._pages[page] = remote.SampleWriter(map(dict, page))
            self._pages[page].write(self._prom.url, (sample for *_, sample in batch))

    def _held_back(self, series: Any) -> list[tuple[int, Labels, tuple[int, float]]]:
        """Take from a series those samples that were on their way at a question: when each could be read, its labels, time and value."""
        labels = tuple((label.name, label.value) for label in series.labels)
        late = self._late_of(dict(labels))
        held = self._moments(late) if late else {}
        at = [number for number, sample in enumerate(series.samples) if sample.timestamp in held]
        found = [
            (held[one.timestamp], labels, (one.timestamp, one.value))
            for one in map(series.samples.__getitem__, at)
        ]
        for number in reversed(at):
            del series.samples[number]
        return found

    def _moments(self, late: Late) -> Mapping[int, int]:
        """When that could be read which was on its way at a question, by its time."""
        if late not in self._held:
            under_way = (
                (done, known)
                for time_ms, known in self._known.items()
                for done in late.done(time_ms)
            )
            self._held[late] = {
                done.begun_ms: done.latest_ms for done, known in under_way if done.what not in known
            }
        return self._held[late]
