"""Checks of counters and gauges: rates of the wrong thing, raw counters, exact increases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import promql_parser as promql

from firedrill.alerts.lint.finding import Problem, warning
from firedrill.alerts.rules import expression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firedrill.alerts.lint.context import Context
    from firedrill.alerts.rules.rule_file import Rule

RATES = frozenset({"rate", "irate", "increase"})
_PRESENCE = frozenset({"absent", "count", "count_values", "group"})
"""Functions and aggregations of an instant vector that do not look at its values."""
_COUNTING = frozenset({"sum", "count", "count_values"})
_LIFETIME = ("_bucket",)


def rate_of_gauge(rule: Rule, context: Context) -> Iterator[Problem]:
    """Find rates of gauges: each fall of the gauge counts as a restart."""
    for call in _calls(rule, RATES):
        argument = call.args[0]
        if isinstance(argument, promql.MatrixSelector):
            name = argument.vector_selector.name or ""
            if context.kind(name) == "gauge":
                yield warning(
                    "rate_of_gauge",
                    f"{call.func.name}() of the gauge {name} takes each fall for a restart; use"
                    " delta() or deriv() for a gauge",
                    name,
                )


def rate_of_sum(rule: Rule, context: Context) -> Iterator[Problem]:
    """Find rates of sums: a restart of one target looks like a jump of the sum."""
    for call in _calls(rule, RATES):
        argument = call.args[0]
        if isinstance(argument, promql.SubqueryExpr):
            summed = _summed(argument.expr, context)
        elif isinstance(argument, promql.MatrixSelector):
            summed = _summed(argument.vector_selector, context)
        else:
            summed = None
        if summed:
            yield warning(
                "rate_of_sum",
                f"{call.func.name}() of {summed} takes a target's restart for a jump of the sum;"
                f" take sum({call.func.name}(...)) instead",
                call.func.name,
            )


def _summed(node: Any, context: Context) -> str | None:
    """Return what is a sum of counters: an aggregation, or a series that is recorded from one."""
    while isinstance(node, promql.ParenExpr):
        node = node.expr
    if isinstance(node, promql.AggregateExpr) and str(node.op) in _COUNTING:
        has_rate = any(
            isinstance(inner, promql.Call) and inner.func.name.endswith(("rate", "increase"))
            for inner in expression.nodes(node)
        )
        return None if has_rate else f"{node.op}()"
    name = node.name if isinstance(node, promql.VectorSelector) else None
    if name and name in context.recorded:
        trees = [expression.parse(rule.expr) for rule in context.recorded[name]]
        if any(_summed(tree, _without_recordings(context)) for tree in trees):
            return f"{name}, which is recorded as a sum,"
    return None


def _without_recordings(context: Context) -> Context:
    return replace(context, recorded={})


def increase_equals(rule: Rule, _context: Context) -> Iterator[Problem]:
    """Find increases that are compared with an exact number: they are extrapolated."""
    for node in expression.nodes(expression.parse(rule.expr)):
        if not isinstance(node, promql.BinaryExpr) or str(node.op) not in {"==", "!="}:
            continue
        for side, other in ((node.lhs, node.rhs), (node.rhs, node.lhs)):
            number = expression.constant(other)
            call = _rate_in(side)
            if number and call:
                yield warning(
                    "increase_equals",
                    f"{call}() is extrapolated to the window's edges and rarely a whole number, so"
                    f" {node.op} {number:g} is met by chance; compare with > or <",
                    call,
                )


def _rate_in(node: Any) -> str | None:
    """Return the rate whose value a part has: itself, or one that is summed."""
    while isinstance(node, promql.ParenExpr | promql.AggregateExpr):
        if isinstance(node, promql.AggregateExpr) and str(node.op) in {"count", "group"}:
            return None
        node = node.expr
    is_rate = isinstance(node, promql.Call) and node.func.name in RATES
    return str(node.func.name) if is_rate else None


def raw_counter(rule: Rule, context: Context) -> Iterator[Problem]:
    """Find alerts on the value of a counter, which only grows until a restart."""
    tree = expression.parse(rule.expr)
    for name in dict.fromkeys(_raw_in_comparisons(tree, context)):
        yield warning(
            "raw_counter",
            f"compares the counter {name} itself, which grows until a restart and then falls to 0;"
            f" compare rate() or increase() of it",
            name,
        )
    for call in _calls(rule, frozenset({"histogram_quantile"})):
        for name in _raw(call.args[1], context):
            if name.endswith(_LIFETIME):
                yield warning(
                    "raw_counter",
                    f"takes the quantile of {name} since each target's start; take rate() of the"
                    " buckets",
                    name,
                )


def _raw_in_comparisons(node: Any, context: Context) -> Iterator[str]:
    """Yield the counters whose own value some comparison looks at."""
    for part in expression.nodes(node):
        if isinstance(part, promql.BinaryExpr) and str(part.op) in expression.COMPARISONS:
            if _is_growth(part):
                continue
            for side in (part.lhs, part.rhs):
                yield from _raw(side, context)


def _is_growth(node: Any) -> bool:
    """Return whether the sides of a comparison look at one series at two times."""
    names = [selector.name for selector in expression.selectors_in(node)]
    has_offset = any(selector.look_back_ms for selector in expression.selectors_in(node))
    return has_offset and len(names) > len(set(names))


def _raw(node: Any, context: Context) -> Iterator[str]:
    """Yield the counters whose value reaches this part of the tree."""
    if isinstance(node, promql.VectorSelector):
        if _is_bucket(node) or (node.name and context.kind(node.name) == "counter"):
            yield str(node.name)
    elif isinstance(node, promql.ParenExpr | promql.UnaryExpr):
        yield from _raw(node.expr, context)
    elif isinstance(node, promql.AggregateExpr):
        yield from _raw(node.expr, context) if str(node.op) not in _PRESENCE else ()
    elif isinstance(node, promql.BinaryExpr):
        if str(node.op) == "-" and _is_growth(node):
            return
        if str(node.op) in {"+", "-", "*", "/", "%"}:
            yield from _raw(node.lhs, context)
            yield from _raw(node.rhs, context)
        elif str(node.op) in {"and", "unless"}:
            yield from _raw(node.lhs, context)
    elif isinstance(node, promql.Call) and node.func.name in {
        "abs",
        "ceil",
        "floor",
        "round",
        "sort",
        "sort_desc",
        "scalar",
        "label_replace",
        "label_join",
    }:
        yield from _raw(node.args[0], context)


def _is_bucket(node: Any) -> bool:
    return bool(node.name) and node.name.endswith(_LIFETIME)


def _calls(rule: Rule, names: frozenset[str]) -> Iterator[Any]:
    for node in expression.nodes(expression.parse(rule.expr)):
        if isinstance(node, promql.Call) and node.func.name in names:
            yield node
