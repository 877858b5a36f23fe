"""The times at which a group of rules is evaluated, and what expressions gave at them. Unix milliseconds."""

from __future__ import annotations

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

MARK = "firedrill:rule_evaluation"
"""Recorded as 1 by every group of the bundle, labelled with its name: when it was evaluated is read, and not predicted."""
ASKED = "__asked__"
"""A label that says which of several expressions an element is of. No stored series has one that begins so."""
MOST_TOGETHER = 50
"""Expressions in one query."""


def regular(start_ms: int, end_ms: int, interval_ms: int) -> list[int]:
    """A grid for a group that was not there: whole multiples of its interval."""
    return list(range(-(-start_ms // interval_ms) * interval_ms, end_ms + 1, interval_ms))


def has_interval(times: Sequence[int], interval_ms: int) -> bool:
    """Whether recorded evaluations are this interval apart, but for missing ones."""
    apart = [later - earlier for earlier, later in pairwise(times)]
    return bool(apart) and abs(median(apart) - interval_ms) <= 0.01 * interval_ms


def spans(times: Sequence[int], interval_ms: int) -> Iterator[tuple[int, int]]:
    """First and last of each part of the times that one range query can give: on one phase, no more points than it may have."""
    start = 0
    for at in range(1, len(times) + 1):
        is_over = (
            at == len(times)
            or (times[at] - times[start]) % interval_ms
            or times[at] - times[start] >= MAX_POINTS * interval_ms
        )
        if is_over:
            yield times[start], times[at - 1]
            start = at


def evaluate(
    prom: Prometheus, expr: str, times: Sequence[int], interval_ms: int
) -> list[dict[Labels, float] | None]:
    """What an expression gives at each of the times; None where it fails on its data.

    Raises:
        QueryRefused: it is no valid expression.
        BadInput: it reads what is recorded later.
    """
    if not times:
        return []
    time_modifiers.need_past(expr, times[0])
    parts = (
        ((time_ms, time_ms) for time_ms in times)
        if time_modifiers.is_alone(expr)
        else spans(times, interval_ms)
    )
    found: dict[int, dict[Labels, float] | None] = {time_ms: {} for time_ms in times}
    for first, last in parts:
        _fill(found, prom, expr, (first, last, interval_ms))
    return [found[time_ms] for time_ms in times]


def at(prom: Prometheus, expr: str, time_ms: int) -> dict[Labels, float] | None:
    """What a valid expression gives at a time; None where it fails on its data."""
    try:
        return {
            tuple(sorted(one.labels.items())): one.value
            for one in prom.instant(expr, time_ms / 1000)
        }
    except QueryRefused as error:
        if error.kind != "execution":
            raise
        return None


def at_once(
    prom: Prometheus, exprs: Collection[str], time_ms: int
) -> dict[str, dict[Labels, float] | None]:
    """What valid expressions give at a time, by themselves; None where one fails on its data."""
    found: dict[str, dict[Labels, float] | None] = {}
    asked = list(dict.fromkeys(exprs))
    for first in range(0, len(asked), MOST_TOGETHER):
        some = asked[first : first + MOST_TOGETHER]
        together = _together(prom, some, time_ms) if len(some) > 1 else None
        found |= {expr: at(prom, expr, time_ms) for expr in some} if together is None else together
    return found


def _together(
    prom: Prometheus, exprs: Sequence[str], time_ms: int
) -> dict[str, dict[Labels, float] | None] | None:
    """One query for all, as most of what a small one takes is the asking; None where one of them fails."""
    numbered = (
        f'label_replace({_vector(expr)}, "{ASKED}", "{number}", "", "")'
        for number, expr in enumerate(exprs)
    )
    try:
        vector = prom.instant(" or ".join(numbered), time_ms / 1000)
    except QueryRefused:
        return None
    found: list[dict[Labels, float]] = [{} for _ in exprs]
    for one in vector:
        labels = dict(one.labels)
        found[int(labels.pop(ASKED))][tuple(sorted(labels.items()))] = one.value
    return dict(zip(exprs, found, strict=True))


@cache
def _vector(expr: str) -> str:
    """On a line of its own, as it may end in a comment."""
    return f"vector({expr}\n)" if expression.is_scalar(expr) else f"({expr}\n)"


def _fill(
    found: dict[int, dict[Labels, float] | None],
    prom: Prometheus,
    expr: str,
    span: tuple[int, int, int],
) -> None:
    first, last, step = span
    try:
        series = prom.grid(expr, first, last, step)
    except QueryRefused as error:
        if error.kind != "execution":
            raise
        if first == last:
            found[first] = None
            return
        # One evaluation that fails fails the whole query, so it is looked for by halves.
        middle = first + (last - first) // step // 2 * step
        _fill(found, prom, expr, (first, middle, step))
        _fill(found, prom, expr, (middle + step, last, step))
        return
    for one in series:
        labels = tuple(sorted(one.labels.items()))
        for time, value in one.points:
            vector = found.get(round(time * 1000))
            if vector is not None:
                vector[labels] = value
