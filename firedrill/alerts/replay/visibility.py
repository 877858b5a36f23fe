"""The vectors that alerts saw at evaluations while scrapes and recordings were in progress.

A Prometheus that is given each sample when it became readable is queried for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import promql_parser as promql

from firedrill.alerts.replay import ambiguity, evaluation_order, evaluation_times
from firedrill.alerts.replay.alert_state import AlertStateMachine
from firedrill.alerts.replay.possible_orderings import PossibleOrderings
from firedrill.alerts.replay.sample_feed import SampleFeed
from firedrill.alerts.rules import expression
from firedrill.prometheus.recorded_data import RecordedPrometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from firedrill.alerts.replay.ambiguity import SourceKey, SourceTiming, Vector
    from firedrill.alerts.replay.environment import ReplayEnvironment
    from firedrill.alerts.replay.timeline import Lag
    from firedrill.alerts.rules.rule_file import Group, Rule
    from firedrill.interrupt import Interrupt

GATHERING = {"absent", "absent_over_time", "scalar"}
"""Functions that make one element of many."""


@dataclass(frozen=True, slots=True)
class ObservedVectors:
    """The vectors that a rule's evaluations saw."""

    vectors: list[Vector]
    """The most likely vector of each evaluation."""
    ambiguous: frozenset[int]
    """The times of the evaluations whose written samples are uncertain."""


@dataclass(frozen=True, slots=True, order=True)
class _Query:
    """A query for a rule's expression, with the samples readable by a time; Unix milliseconds."""

    ordering: int
    """0 if what was in progress ends in the likely order.

    Each other ordering needs a Prometheus of its own.
    """
    readable_at_ms: int
    time_ms: int
    rule: int
    """Index of the rule."""
    readable: frozenset[SourceKey] = field(default=frozenset(), compare=False)
    """Sources that are readable although in progress."""

    @property
    def shared_key(self) -> tuple[int, int, int]:
        """A key that queries of several rules share if one request can answer them."""
        return self.ordering, self.readable_at_ms, self.time_ms


class _Answers(NamedTuple):
    """The vectors of one evaluation: after each step in the likely order, and in other orders."""

    in_order: list[Vector]
    other_orders: list[Vector]


def observe(
    environment: ReplayEnvironment,
    group: Group,
    evaluated: Sequence[tuple[Rule, Sequence[Vector]]],
    interrupt: Interrupt,
) -> list[ObservedVectors]:
    """Return what the alerts of a group saw, in their order.

    Args:
        environment: The recorded run.
        group: The group.
        evaluated: Its alerts, each with what its expression gives by the samples' time stamps.
        interrupt: Ends the waiting for a Prometheus, and the queries.
    """
    early = {
        id(rule): frozenset(evaluation_order.read_before_recorded(group, index))
        for index, rule in enumerate(group.rules)
    }
    observed: dict[int, ObservedVectors] = {}
    for names in {early[id(rule)] for rule, _ in evaluated}:
        alike = [(rule, vectors) for rule, vectors in evaluated if early[id(rule)] == names]
        results = _observe_alike(environment, group, alike, names, interrupt)
        for (rule, _), result in zip(alike, results, strict=True):
            before_record = environment.times_before_record(group, rule)
            observed[id(rule)] = replace(result, ambiguous=result.ambiguous | before_record)
    return [observed[id(rule)] for rule, _ in evaluated]


def _observe_alike(
    environment: ReplayEnvironment,
    group: Group,
    evaluated: Sequence[tuple[Rule, Sequence[Vector]]],
    early: frozenset[str],
    interrupt: Interrupt,
) -> list[ObservedVectors]:
    """Return what alerts saw that read the same names before they are recorded."""
    timeline = environment.timeline
    times = list(zip(timeline.times_of(group)[0], timeline.lags_ms(group), strict=True))
    sources = [tuple(dict.fromkeys(timeline.timings_of(rule, group))) for rule, _ in evaluated]
    by_sources = {distinct: _orderings(distinct, times) for distinct in set(sources)}
    orderings = [by_sources[distinct] for distinct in sources]
    rules = [rule for rule, _ in evaluated]
    listed: dict[int, list[frozenset[SourceKey]]] = {}
    queries = _affordable(
        environment.max_queries,
        [list(_queries(at, rule, orderings[at], listed)) for at, rule in enumerate(rules)],
    )
    answers = _answers(
        environment,
        rules,
        queries,
        lambda labels: timeline.timing_of_series(labels, group, early),
        interrupt,
    )
    queried = {query.rule for query in queries}
    environment.not_queried += [
        rule for at, rule in enumerate(rules) if orderings[at] and at not in queried
    ]
    observed = []
    for at, (rule, vectors) in enumerate(evaluated):
        if at in queried:
            uncertain = {item.time_ms: (item, answers[at, item.time_ms]) for item in orderings[at]}
            observed.append(_observed(environment, group, rule, vectors, uncertain))
        else:
            observed.append(ObservedVectors(list(vectors), _from_first(orderings[at], times)))
    return observed


def _queries(
    index: int,
    rule: Rule,
    orderings: Sequence[PossibleOrderings],
    listed: dict[int, list[frozenset[SourceKey]]],
) -> Iterator[_Query]:
    """Yield the queries of one rule; `listed` numbers the orders of each evaluation."""
    is_by_element = _is_by_element(rule.expr)
    for ordering in orderings:
        time_ms = ordering.time_ms
        yield from (_Query(0, query_ms, time_ms, index) for query_ms in ordering.query_times)
        if is_by_element and ordering.is_in_order:
            continue
        for readable in ordering.other_orders:
            orders = listed.setdefault(time_ms, [])
            if readable not in orders:
                orders.append(readable)
            yield _Query(orders.index(readable) + 1, time_ms, time_ms, index, readable)


def _is_by_element(expr: str) -> bool:
    """Return whether each element of the result comes from one series.

    Then the order in which sources become readable does not matter.
    """
    return len(expression.selectors(expr)) == 1 and not _gathers(expression.parse(expr))


def _gathers(node: Any) -> bool:
    is_gathering = isinstance(node, promql.AggregateExpr) or (
        isinstance(node, promql.Call) and node.func.name in GATHERING
    )
    return is_gathering or any(_gathers(child) for child in expression.children(node))


def _orderings(
    sources: Sequence[SourceTiming], times: Sequence[tuple[int, Lag]]
) -> list[PossibleOrderings]:
    """Return the evaluations during which something was in progress."""
    orderings = (
        PossibleOrderings(time_ms, ambiguity.in_progress(time_ms, sources), lag.longest, lag.likely)
        for time_ms, lag in times
    )
    return [ordering for ordering in orderings if ordering.in_progress]


def _from_first(
    orderings: Sequence[PossibleOrderings], times: Sequence[tuple[int, Lag]]
) -> frozenset[int]:
    """Return all times from the first uncertain one on.

    What is pending, and since when, may stay uncertain for ever.
    """
    return frozenset(
        time_ms for time_ms, _ in times if orderings and time_ms >= orderings[0].time_ms
    )


def _affordable(most: int, by_rule: Sequence[Sequence[_Query]]) -> list[_Query]:
    """Return the queries of as many rules as the limit allows, in order of the times."""
    chosen: list[_Query] = []
    requests: set[tuple[int, int, int]] = set()
    for queries in sorted(by_rule, key=len):
        together = requests.union(query.shared_key for query in queries)
        if len(together) <= most:
            chosen += queries
            requests = together
    return sorted(chosen)


def _answers(
    environment: ReplayEnvironment,
    rules: Sequence[Rule],
    queries: Sequence[_Query],
    timing_of: Callable[[Mapping[str, str]], SourceTiming | None],
    interrupt: Interrupt,
) -> dict[tuple[int, int], _Answers]:
    """Return the vectors by rule index and time."""
    answers = {(query.rule, query.time_ms): _Answers([], []) for query in queries}
    for number, of_ordering in groupby(queries, attrgetter("ordering")):
        asked = list(of_ordering)
        with RecordedPrometheus(
            None, interrupt, lookback_seconds=environment.lookback_seconds
        ) as reopened:
            samples = environment.samples({rules[query.rule].expr for query in asked})
            readable = {query.time_ms: query.readable for query in asked}
            feed = SampleFeed(reopened.prom, samples, readable, timing_of)
            by_request = groupby(asked, attrgetter("shared_key"))
            for (_, readable_at_ms, time_ms), alike in interrupt.until_requested(by_request):
                feed.advance(readable_at_ms)
                exprs = {query.rule: rules[query.rule].expr for query in alike}
                vectors = evaluation_times.evaluate_all_at(reopened.prom, exprs.values(), time_ms)
                for index, expr in exprs.items():
                    answer = answers[index, time_ms]
                    target = answer.other_orders if number else answer.in_order
                    target.append(vectors[expr])
    return answers


def _observed(
    environment: ReplayEnvironment,
    group: Group,
    rule: Rule,
    vectors: Sequence[Vector],
    uncertain: Mapping[int, tuple[PossibleOrderings, _Answers]],
) -> ObservedVectors:
    likely, possible = [], []
    for time_ms, vector in zip(environment.timeline.times_of(group)[0], vectors, strict=True):
        if time_ms not in uncertain:
            likely.append(vector)
            possible.append((time_ms, [vector]))
            continue
        ordering, answers = uncertain[time_ms]
        by_steps = [*answers.in_order, vector]
        likely.append(by_steps[ordering.likely_steps])
        in_order = by_steps[: ordering.possible_steps + 1]
        possible.append((time_ms, [*in_order, *answers.other_orders]))
    machine = AlertStateMachine(rule, group.limit, environment.unwritten_evaluations(group))
    return ObservedVectors(likely, ambiguity.ambiguous_times(machine, possible))
