"""Checks of an alert's condition: missing, on absence, on a division by 0, on dying telemetry."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import promql_parser as promql

from firedrill.alerts.lint.finding import Problem, warning
from firedrill.alerts.rules import expression

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firedrill.alerts.lint.context import Context
    from firedrill.alerts.rules.rule_file import Rule

_ABSENCE = frozenset({"absent", "absent_over_time"})
_NEVER_ZERO = frozenset({"count", "count_over_time", "group", "exp", "pi", "time", "days_in_month"})
_CLAMPS = frozenset({"clamp", "clamp_min"})
_PART_OF_FAMILY = re.compile(r"_(?:bucket|count|sum|total)$")
_EXHAUSTIBLE = re.compile(
    r"(?:^|_)(?:memory|mem|rss|heap|fds|file_descriptors|filefd|threads|goroutines)(?:_|$)"
)
"""Resources of a process: when they run out, the process ends, and its metrics with it."""
_OF_A_PROCESS = re.compile(r"^(?:process|container|jvm|go|python|nodejs|ruby|dotnet)_")


def no_threshold(rule: Rule, context: Context) -> Iterator[Problem]:
    """Find alerts that compare nothing: they fire while the series is there, also when it is 0."""
    tree = expression.parse(rule.expr)
    if not any(expression.selectors(rule.expr)) or expression.unusable_result(rule.expr):
        return
    if _has_condition(tree, context, frozenset()):
        return
    function = _first_rate(tree)
    subject = f"{function}()" if function else "its series"
    yield warning(
        "no_threshold",
        f"compares {subject} with nothing, so it fires while there is a value, 0 included; add a"
        " comparison such as > 0",
        function or next((item.name for item in expression.selectors_in(tree)), None),
    )


def _has_condition(node: Any, context: Context, visited: frozenset[str]) -> bool:
    """Return whether a part of the tree leaves elements out."""
    for part in expression.nodes(node):
        if isinstance(part, promql.BinaryExpr):
            if str(part.op) == "unless":
                return True
            if str(part.op) in expression.COMPARISONS:  # `bool` has a check of its own.
                return True
        if isinstance(part, promql.Call) and part.func.name in _ABSENCE:
            return True
        if isinstance(part, promql.VectorSelector):
            name = part.name or ""
            is_unknown_record = ":" in name and name not in context.recorded
            if name in {"ALERTS", "ALERTS_FOR_STATE", ""} or is_unknown_record:
                return True
            for rule in context.recorded.get(name, ()) if name not in visited else ():
                if _has_condition(expression.parse(rule.expr), context, visited | {name}):
                    return True
    return False


def _first_rate(tree: Any) -> str | None:
    names = (
        part.func.name
        for part in expression.nodes(tree)
        if isinstance(part, promql.Call) and part.func.name in {"rate", "irate", "increase"}
    )
    return next(names, None)


def absent_regex(rule: Rule, _context: Context) -> Iterator[Problem]:
    """Find absent() of several series: it is silent while one of them is there."""
    for node in expression.nodes(expression.parse(rule.expr)):
        if not isinstance(node, promql.Call) or node.func.name not in _ABSENCE:
            continue
        for selector in expression.selectors_in(node):
            regexes = [
                f"{label}{operator}{expression.quote(value)}"
                for label, operator, value in selector.matchers
                if operator in {"=~", "!~"} and not (operator == "!~" and not value)
            ]
            if regexes:
                yield warning(
                    "absent_regex",
                    f"{node.func.name}() with {', '.join(regexes)} is silent while one series"
                    " matches; write an absent() for each value, joined by `or`",
                    node.func.name,
                )
                break


def zero_division(rule: Rule, context: Context) -> Iterator[Problem]:
    """Find divisions by something that can be 0, where +Inf meets the comparison."""
    for comparison in expression.nodes(expression.parse(rule.expr)):
        is_comparison = isinstance(comparison, promql.BinaryExpr) and not expression.is_bool(
            comparison
        )
        if not is_comparison:
            continue
        operator = str(comparison.op)
        for side, grows in (
            (comparison.lhs, {">", ">=", "!="}),
            (comparison.rhs, {"<", "<=", "!="}),
        ):
            if operator not in grows:
                continue
            for division in _divisions(side):
                if not _is_part(division) and _can_be_zero(division.rhs, context):
                    named = _names(division.rhs)
                    yield warning(
                        "zero_division",
                        f"divides by {', '.join(named[:2])}, and where that is 0 the result is +Inf"
                        f" and meets {operator}; divide by (... > 0)",
                        named[0],
                    )


def _divisions(node: Any) -> Iterator[Any]:
    """Yield the divisions whose result grows with the value of a side of a comparison."""
    while isinstance(node, promql.ParenExpr | promql.AggregateExpr):
        if isinstance(node, promql.AggregateExpr) and str(node.op) in {"count", "group"}:
            return
        node = node.expr
    if not isinstance(node, promql.BinaryExpr):
        return
    if str(node.op) == "/":
        yield node
        yield from _divisions(node.lhs)
    elif str(node.op) == "*":
        yield from _divisions(node.lhs)
        yield from _divisions(node.rhs)
    elif str(node.op) in {"+", "-", "and", "unless"}:
        yield from _divisions(node.lhs)


def _is_part(division: Any) -> bool:
    """Return whether both sides are of one family, so that 0 comes with 0: NaN meets nothing."""
    families = [
        {_PART_OF_FAMILY.sub("", name) for name in _names(side)}
        for side in (division.lhs, division.rhs)
    ]
    return bool(families[0] & families[1])


def _names(node: Any) -> list[str]:
    return list(dict.fromkeys(selector.name for selector in expression.selectors_in(node)))


def _can_be_zero(node: Any, context: Context) -> bool:
    while isinstance(node, promql.ParenExpr):
        node = node.expr
    if expression.constant(node) is not None or not _names(node) or not _names(node)[0]:
        return False
    if isinstance(node, promql.AggregateExpr):
        return str(node.op) not in _NEVER_ZERO and _can_be_zero(node.expr, context)
    if isinstance(node, promql.Call):
        is_safe = node.func.name in _NEVER_ZERO | _CLAMPS
        return not is_safe and any(_can_be_zero(arg, context) for arg in node.args)
    if isinstance(node, promql.BinaryExpr):
        return _operation_can_be_zero(node, context)
    return True


def _operation_can_be_zero(node: Any, context: Context) -> bool:
    operator = str(node.op)
    if operator in expression.COMPARISONS or operator in {"and", "unless"}:
        return operator == "unless"
    if operator == "+":
        return all(_can_be_zero(side, context) for side in (node.lhs, node.rhs))
    if operator in {"*", "/"}:
        return _can_be_zero(node.lhs, context) or _can_be_zero(node.rhs, context)
    return True


def keep_firing_for(rule: Rule, _context: Context) -> Iterator[Problem]:
    """Find alerts about resources of a process, whose metrics end with the process."""
    if rule.keep_ms:
        return
    names = _names(expression.parse(rule.expr))
    dying = [name for name in names if _OF_A_PROCESS.search(name) and _EXHAUSTIBLE.search(name)]
    if dying and _looks_up(rule, dying):
        yield warning(
            "keep_firing_for",
            f"{dying[0]} vanishes when the process dies of what this alert is about, and the alert"
            " resolves; add keep_firing_for: 10m",
            dying[0],
        )


def _looks_up(rule: Rule, names: Sequence[str]) -> bool:
    """Return whether an alert fires when one of the series is high."""
    for node in expression.nodes(expression.parse(rule.expr)):
        if not isinstance(node, promql.BinaryExpr):
            continue
        side = {">": node.lhs, ">=": node.lhs, "<": node.rhs, "<=": node.rhs}.get(str(node.op))
        if side is not None and set(_names(side)) & set(names):
            return True
    return False
