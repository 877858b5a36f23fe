"""Evaluation times of a group, and queries for the results of expressions at these times.

All times are Unix milliseconds.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from firedrill.alerts.rules import expression, time_modifiers
from firedrill.prometheus.client import MAX_POINTS, QueryRefused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from firedrill.alerts.replay.alert_state import Labels
    from firedrill.prometheus.client import Prometheus

    Elements = dict[Labels, float]

EVALUATION_MARKER = "firedrill:rule_evaluation"
"""A series that every group of the bundle records as 1, labelled with the group's name.

Evaluation times are read from it, because they cannot be predicted.
"""
EXPRESSION_LABEL = "__asked__"
"""A label that tells the expressions of one query apart; no stored series has one with `__`."""
MAX_EXPRESSIONS = 50
"""Expressions in one query."""


COMMON = 0.9
"""The share of a group's samples that are on its phase, unless something else wrote them."""


def regular_times(start_ms: int, end_ms: int, interval_ms: int, phase_ms: int = 0) -> list[int]:
    """Return evaluation times of which none were recorded: on a phase within the interval."""
    first_ms = -(-(start_ms - phase_ms) // interval_ms) * interval_ms + phase_ms
    return list(range(first_ms, end_ms + 1, interval_ms))


def common_phase(times: Sequence[int], interval_ms: int) -> int | None:
    """Return the time within the interval at which samples were written; None if they differ."""
    phases = Counter(time_ms % interval_ms for time_ms in times)
    if not phases:
        return None
    ((phase_ms, number),) = phases.most_common(1)
    return phase_ms if number >= COMMON * len(times) else None


def has_interval(times: Sequence[int], interval_ms: int) -> bool:
    """Return whether recorded evaluations have this interval, except for missed ones."""
    intervals = [later - earlier for earlier, later in pairwise(times)]
    return bool(intervals) and abs(median(intervals) - interval_ms) <= 0.01 * interval_ms


def query_spans(times: Sequence[int], interval_ms: int) -> Iterator[tuple[int, int]]:
    """Yield first and last time of each part that one range query can answer.

    Its times are on one phase, and no more than Prometheus returns at once.
    """
    start = 0
    for index in range(1, len(times) + 1):
        is_end = (
            index == len(times)
            or (times[index] - times[start]) % interval_ms
            or times[index] - times[start] >= MAX_POINTS * interval_ms
        )
        if is_end:
            yield times[start], times[index - 1]
            start = index


def evaluate(
    prom: Prometheus, expr: str, times: Sequence[int], interval_ms: int
) -> list[Elements | None]:
    """Return what an expression gives at each of the times; None where it fails on its data.

    Raises:
        QueryRefused: it is no valid expression.
        BadInput: it reads what is recorded later.
    """
    if not times:
        return []
    time_modifiers.refuse_future(expr, times[0])
    if time_modifiers.needs_instant_queries(expr):
        spans = [(time_ms, time_ms) for time_ms in times]
    else:
        spans = list(query_spans(times, interval_ms))
    vectors: dict[int, Elements | None] = {time_ms: {} for time_ms in times}
    for first, last in spans:
        _fill(vectors, prom, expr, (first, last, interval_ms))
    return [vectors[time_ms] for time_ms in times]


def evaluate_at(prom: Prometheus, expr: str, time_ms: int) -> Elements | None:
    """Return what a valid expression gives at one time; None if it fails on its data."""
    try:
        vector = prom.instant(expr, time_ms / 1000)
    except QueryRefused as error:
        if error.kind != "execution":
            raise
        return None
    return {tuple(sorted(element.labels.items())): element.value for element in vector}


def evaluate_all_at(
    prom: Prometheus, exprs: Collection[str], time_ms: int
) -> dict[str, Elements | None]:
    """Return what valid expressions give at one time, by expression; None where one fails."""
    vectors: dict[str, Elements | None] = {}
    distinct = list(dict.fromkeys(exprs))
    for first in range(0, len(distinct), MAX_EXPRESSIONS):
        chunk = distinct[first : first + MAX_EXPRESSIONS]
        together = _in_one_query(prom, chunk, time_ms) if len(chunk) > 1 else None
        if together is None:
            together = {expr: evaluate_at(prom, expr, time_ms) for expr in chunk}
        vectors |= together
    return vectors


def _in_one_query(
    prom: Prometheus, exprs: Sequence[str], time_ms: int
) -> dict[str, Elements | None] | None:
    """Evaluate several expressions in one query; None if one of them fails.

    A small query spends most of its time on the request.
    """
    numbered = (
        f'label_replace({_as_vector(expr)}, "{EXPRESSION_LABEL}", "{number}", "", "")'
        for number, expr in enumerate(exprs)
    )
    try:
        vector = prom.instant(" or ".join(numbered), time_ms / 1000)
    except QueryRefused:
        return None
    elements: list[Elements] = [{} for _ in exprs]
    for element in vector:
        labels = dict(element.labels)
        number = int(labels.pop(EXPRESSION_LABEL))
        elements[number][tuple(sorted(labels.items()))] = element.value
    return dict(zip(exprs, elements, strict=True))


@cache
def _as_vector(expr: str) -> str:
    """Wrap an expression; the line break ends a comment at its end."""
    return f"vector({expr}\n)" if expression.is_scalar(expr) else f"({expr}\n)"


def _fill(
    vectors: dict[int, Elements | None], prom: Prometheus, expr: str, span: tuple[int, int, int]
) -> None:
    first, last, step = span
    try:
        grid = prom.grid(expr, first, last, step)
    except QueryRefused as error:
        if error.kind != "execution":
            raise
        if first == last:
            vectors[first] = None
            return
        # One failing evaluation fails the whole query, so halving the span finds it.
        middle = first + (last - first) // step // 2 * step
        _fill(vectors, prom, expr, (first, middle, step))
        _fill(vectors, prom, expr, (middle + step, last, step))
        return
    for series in grid:
        labels = tuple(sorted(series.labels.items()))
        for time, value in series.points:
            vector = vectors.get(round(time * 1000))
            if vector is not None:
                vector[labels] = value
