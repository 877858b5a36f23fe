"""Expressions that never give a result, whatever their series are; only certain cases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import promql_parser as promql

from firedrill.alerts.rules import expression
from firedrill.alerts.rules.expression import COMPARISONS, FLIPPED, Threshold

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER_BELOW_ONE = frozenset({"count", "count_over_time"})
"""Functions and aggregations that give no element instead of 0."""
ALWAYS_ONE = frozenset({"absent", "absent_over_time", "group", "present_over_time"})

_DISTINCTIVE = ("op", "val", "name", "range", "offset", "step", "modifier")
"""Attributes in which two nodes of one kind may differ, beside their children."""


def find(text: str) -> str | None:
    """Return why an expression never gives a result; None if that depends on the series."""
    return _never(expression.parse(text))


def _never(node: Any) -> str | None:
    if isinstance(node, promql.ParenExpr | promql.UnaryExpr | promql.AggregateExpr):
        return _never(node.expr)
    return _never_joined(node) if isinstance(node, promql.BinaryExpr) else None


def _never_joined(node: Any) -> str | None:
    left, right, operator = _never(node.lhs), _never(node.rhs), str(node.op)
    if operator == "or":
        return left and right and f"{left}, and {right}"
    if operator == "unless":
        return left or _leaves_itself_out(node) or _excluded(node)
    return left or right or _than_itself(node) or _excluded(node)


def _leaves_itself_out(node: Any) -> str | None:
    if not _matches_by_all_labels(node):
        return None
    is_left_out = _shape(node.rhs) in {_shape(part) for part in _without_conditions(node.lhs)}
    return "`unless` leaves out what stands before it" if is_left_out else None


def _than_itself(node: Any) -> str | None:
    """Find `x < x`; `x != x` is no contradiction, because it finds NaN."""
    is_certain = (
        str(node.op) in {"<", ">"}
        and _matches_by_all_labels(node)
        and _shape(node.lhs) == _shape(node.rhs)
    )
    return f"nothing is {node.op} itself" if is_certain else None


def _excluded(node: Any) -> str | None:
    """Return the conditions on one expression that no number meets together."""
    conditions = list(_conditions(node))
    for measured in dict.fromkeys(condition.measured for condition in conditions):
        limits = [condition.limit for condition in conditions if condition.measured == measured]
        candidates = {
            math.nextafter(limit.value, towards)
            for limit in limits
            for towards in (-math.inf, limit.value, math.inf)
        }
        if not any(all(limit.met_by(value) for limit in limits) for value in candidates):
            listed = dict.fromkeys(
                f"{limit.operator} {limit.value:g}" for limit in limits if not limit.measured
            )
            function = limits[0].measured
            subject = f"{function} is never" if function else "nothing is"
            return f"{subject} {' and '.join(listed)}"
    return None


@dataclass(frozen=True, slots=True)
class _Condition:
    """A limit that each element of an expression meets."""

    measured: tuple[Any, ...]
    """The shape of the expression that is limited."""
    limit: Threshold


def _conditions(node: Any) -> Iterator[_Condition]:
    """Yield the comparisons with numbers, and the bounds of what a function gives."""
    if isinstance(node, promql.ParenExpr):
        yield from _conditions(node.expr)
    elif not isinstance(node, promql.BinaryExpr):
        yield from (_Condition(_shape(node), limit) for limit in _bounds_of_function(node))
    elif str(node.op) in {"and", "unless"}:
        yield from _conditions(node.lhs)
        # A selector without a name may match one series with another.
        is_same_series = str(node.op) == "and" and _matches_by_all_labels(node) and _is_named(node)
        yield from _conditions(node.rhs) if is_same_series else ()
    elif str(node.op) in COMPARISONS and _is_filter(node):
        yield from _compared(node)


def _compared(node: Any) -> Iterator[_Condition]:
    operator, (left, right) = (
        str(node.op),
        (expression.constant(node.lhs), expression.constant(node.rhs)),
    )
    if left is None and right is not None:
        yield from _conditions(node.lhs)
        yield _Condition(_shape(_without_conditions(node.lhs)[-1]), Threshold("", operator, right))
    elif right is None and left is not None:
        yield from _conditions(node.rhs)
        yield _Condition(
            _shape(_without_conditions(node.rhs)[-1]),
            Threshold("", FLIPPED.get(operator, operator), left),
        )


def _bounds_of_function(node: Any) -> Iterator[Threshold]:
    called = ""
    if isinstance(node, promql.Call):
        called = node.func.name
    elif isinstance(node, promql.AggregateExpr):
        called = str(node.op)
    if called in NEVER_BELOW_ONE:
        yield Threshold(f"{called}()", ">=", 1.0)
    if called in ALWAYS_ONE:
        yield Threshold(f"{called}()", "==", 1.0)


def _without_conditions(node: Any) -> list[Any]:
    """Return an expression, and what is left of it without each condition that filters it."""
    parts = [node]
    while isinstance(node, promql.ParenExpr) or (
        isinstance(node, promql.BinaryExpr) and _is_filter(node)
    ):
        node = node.expr if isinstance(node, promql.ParenExpr) else _filtered_side(node)
        parts.append(node)
    return parts


def _filtered_side(node: Any) -> Any:
    return node.lhs if expression.constant(node.lhs) is None else node.rhs


def _is_filter(node: Any) -> bool:
    """Return whether a node passes elements of one side on: by `and`, `unless` or a number."""
    if str(node.op) in {"and", "unless"}:
        return True
    sides = {expression.constant(node.lhs) is None, expression.constant(node.rhs) is None}
    return str(node.op) in COMPARISONS and sides == {True, False} and not expression.is_bool(node)


def _matches_by_all_labels(node: Any) -> bool:
    """Return whether a node has no modifier: neither `on` and its like, nor `bool`."""
    return node.modifier is None or not str(node.modifier).strip()


def _is_named(node: Any) -> bool:
    return all(selector.name for selector in expression.selectors_in(node))


def _shape(node: Any) -> tuple[Any, ...]:
    """Return a key that is equal for expressions that differ in blanks and parentheses only."""
    if isinstance(node, promql.ParenExpr):
        return _shape(node.expr)
    if isinstance(node, promql.MatrixSelector):
        return ("range", str(node.range), _shape(node.vector_selector))
    own = [str(getattr(node, name, "")) for name in _DISTINCTIVE]
    matchers = (
        sorted(map(str, node.matchers.matchers)) if isinstance(node, promql.VectorSelector) else []
    )
    called = node.func.name if isinstance(node, promql.Call) else ""
    at = str(node.at) if getattr(node, "at", None) else ""
    return (
        type(node).__name__,
        *own,
        *matchers,
        called,
        at,
        *map(_shape, expression.children(node)),
    )
