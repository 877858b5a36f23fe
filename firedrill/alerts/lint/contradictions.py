"""Why an expression can never give anything, whatever its series are: only what is certain. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import promql_parser as promql

from firedrill.alerts.rules import expression
from firedrill.alerts.rules.expression import COMPARISONS, FLIPPED, Threshold

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE_AND_MORE = frozenset({"count", "count_over_time"})
"""Functions and aggregations that give nothing where others would say 0."""
ALWAYS_ONE = frozenset({"absent", "absent_over_time", "group", "present_over_time"})

_TELLING = ("op", "val", "name", "range", "offset", "step", "modifier")
"""What two nodes of one kind may differ in, beside their children."""


def of(text: str) -> str | None:
    """What of an expression cannot be; None where it can, or where that depends on the series."""
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
    left_out = _is_plain(node) and _shape(node.rhs) in {_shape(one) for one in _narrowed(node.lhs)}
    return "`unless` leaves out what stands before it" if left_out else None


def _than_itself(node: Any) -> str | None:
    """Only a series that is no number differs from itself: that is what `x != x` finds."""
    is_certain = (
        str(node.op) in {"<", ">"} and _is_plain(node) and _shape(node.lhs) == _shape(node.rhs)
    )
    return f"nothing is {node.op} itself" if is_certain else None


def _excluded(node: Any) -> str | None:
    """What its elements are compared with, if no number meets all of it."""
    met = list(_met(node))
    for measured in dict.fromkeys(one.measured for one in met):
        limits = [one.limit for one in met if one.measured == measured]
        near = {
            math.nextafter(one.value, towards)
            for one in limits
            for towards in (-math.inf, one.value, math.inf)
        }
        if not any(all(one.met_by(value) for one in limits) for value in near):
            said = dict.fromkeys(
                f"{one.operator} {one.value:g}" for one in limits if not one.measured
            )
            of_all = f"{limits[0].measured} is never" if limits[0].measured else "nothing is"
            return f"{of_all} {' and '.join(said)}"
    return None


@dataclass(frozen=True, slots=True)
class _Met:
    """What each element of an expression meets."""

    measured: tuple[Any, ...]
    limit: Threshold


def _met(node: Any) -> Iterator[_Met]:
    """Comparisons with numbers, and what a function never gives."""
    if isinstance(node, promql.ParenExpr):
        yield from _met(node.expr)
    elif not isinstance(node, promql.BinaryExpr):
        yield from (_Met(_shape(node), limit) for limit in _by_its_nature(node))
    elif str(node.op) in {"and", "unless"}:
        yield from _met(node.lhs)
        # A selector without a name may match one series with another.
        is_one = str(node.op) == "and" and _is_plain(node) and _is_named(node)
        yield from _met(node.rhs) if is_one else ()
    elif str(node.op) in COMPARISONS and _is_filter(node):
        yield from _compared(node)


def _compared(node: Any) -> Iterator[_Met]:
    operator, (left, right) = str(node.op), (_number(node.lhs), _number(node.rhs))
    if left is None and right is not None:
        yield from _met(node.lhs)
        yield _Met(_shape(_narrowed(node.lhs)[-1]), Threshold("", operator, right))
    elif right is None and left is not None:
        yield from _met(node.rhs)
        yield _Met(
            _shape(_narrowed(node.rhs)[-1]), Threshold("", FLIPPED.get(operator, operator), left)
        )


def _by_its_nature(node: Any) -> Iterator[Threshold]:
    called = (
        node.func.name
        if isinstance(node, promql.Call)
        else str(node.op)
        if isinstance(node, promql.AggregateExpr)
        else ""
    )
    if called in ONE_AND_MORE:
        yield Threshold(f"{called}()", ">=", 1.0)
    if called in ALWAYS_ONE:
        yield Threshold(f"{called}()", "==", 1.0)


def _narrowed(node: Any) -> list[Any]:
    """An expression, and what is left of it without each of the conditions that only leave elements of it out."""
    found = [node]
    while isinstance(node, promql.ParenExpr) or (
        isinstance(node, promql.BinaryExpr) and _is_filter(node)
    ):
        node = (
            node.expr
            if isinstance(node, promql.ParenExpr)
            else node.rhs
            if _number(node.lhs) is not None
            else node.lhs
        )
        found.append(node)
    return found


def _is_filter(node: Any) -> bool:
    """Whether it gives elements of one side as they are: a comparison with a number, `and`, `unless`."""
    if str(node.op) in {"and", "unless"}:
        return True
    sides = {_number(node.lhs) is None, _number(node.rhs) is None}
    return str(node.op) in COMPARISONS and sides == {True, False} and not expression.is_bool(node)


def _is_plain(node: Any) -> bool:
    """Whether elements match by all of their labels, and a comparison leaves out those that do not meet it."""
    return node.modifier is None or not str(node.modifier).strip()


def _is_named(node: Any) -> bool:
    return all(one.name for one in expression.selectors_in(node))


def _number(node: Any) -> float | None:
    """The number that an expression is, whatever the time."""
    if isinstance(node, promql.NumberLiteral):
        return float(node.val)
    if isinstance(node, promql.ParenExpr):
        return _number(node.expr)
    if isinstance(node, promql.UnaryExpr):
        return None if (inner := _number(node.expr)) is None else -inner
    return _calculated(node) if isinstance(node, promql.BinaryExpr) else None


def _calculated(node: Any) -> float | None:
    left, right, operator = _number(node.lhs), _number(node.rhs), str(node.op)
    if (
        left is None
        or right is None
        or operator not in {"+", "-", "*", "/"}
        or (operator == "/" and not right)
    ):
        return None
    return {"+": left + right, "-": left - right, "*": left * right, "/": left / (right or 1.0)}[
        operator
    ]


def _shape(node: Any) -> tuple[Any, ...]:
    """What an expression says; two that are written alike, but for blanks and parentheses, have one."""
    if isinstance(node, promql.ParenExpr):
        return _shape(node.expr)
    if isinstance(node, promql.MatrixSelector):
        return ("range", str(node.range), _shape(node.vector_selector))
    own = [str(getattr(node, name, "")) for name in _TELLING]
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
