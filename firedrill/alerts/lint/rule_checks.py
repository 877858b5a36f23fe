"""Checks of a rule by itself: labels, annotations, times, constants, order, versions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import promql_parser as promql

from firedrill.alerts.lint import contradictions, known_series
from firedrill.alerts.lint.finding import Problem, error, warning
from firedrill.alerts.rules import expression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firedrill.alerts.lint.context import Context
    from firedrill.alerts.rules.rule_file import Rule

MIN_EVALUATIONS = 2
"""An alert whose `for` is shorter fires on a single evaluation."""
SCRAPES_IN_WINDOW = 4
"""rate() over fewer samples is noise, and one failed scrape would blind it."""
_BOUND_LABELS = ("le", "quantile")
_TIME_FUNCTIONS = {
    "time", "minute", "hour", "day_of_month", "day_of_week", "day_of_year", "days_in_month",
    "month", "year",
}  # fmt: skip
"""Functions that read no series and still change."""
_FUNCTIONS_OF_3 = frozenset({
    "double_exponential_smoothing", "end", "first_over_time", "histogram_avg",
    "histogram_quantiles", "histogram_stddev", "histogram_stdvar", "info", "limit_ratio", "limitk",
    "mad_over_time", "range", "sort_by_label", "sort_by_label_desc", "start", "step",
    "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time",
})  # fmt: skip
"""Functions and aggregations that 2.42 does not know; some need a feature flag in 3.x."""


# -- labels and annotations


def severity(rule: Rule, _context: Context) -> Iterator[Problem]:
    """Find a severity by which notifications are not routed; a template may choose among some."""
    value = rule.labels.get("severity", "")
    if "{{" not in value and value not in {"critical", "warning", "info"}:
        said = f"severity is {value}" if value else "no severity"
        yield warning("severity", f"{said}; expected critical, warning or info")


def missing_annotations(rule: Rule, _context: Context) -> Iterator[Problem]:
    """Find notifications that say nothing."""
    for name in ("summary", "description"):
        if not rule.annotations.get(name):
            yield warning(name, f"no {name}; expected one in its annotations")


# -- times


def short_for(rule: Rule, context: Context) -> Iterator[Problem]:
    """Find a `for` that a single evaluation meets."""
    interval_ms = context.intervals.of_group(context.group)
    if 0 < rule.hold_ms < MIN_EVALUATIONS * interval_ms:
        yield warning(
            "short_for",
            f"`for` of {rule.hold_ms / 1000:g} s is under two evaluations"
            f" ({interval_ms / 1000:g} s apart), so a single one fires it; expected"
            f" {MIN_EVALUATIONS * interval_ms / 1000:g}s or more",
        )


def short_window(rule: Rule, context: Context) -> Iterator[Problem]:
    """Find windows that one failed scrape empties."""
    shortest_ms = SCRAPES_IN_WINDOW * context.intervals.scrape_ms
    advice = (
        f"spans under four scrapes ({context.intervals.scrape_ms / 1000:g} s apart), so one failed"
        f" scrape can empty it; expected {shortest_ms / 1000:g}s or more"
    )
    for selector in expression.selectors(rule.expr):
        if selector.range_ms is not None and selector.range_ms < shortest_ms:
            window = f"{selector.text}[{selector.range_ms / 1000:g}s]"
            yield warning("short_window", f"{window} {advice}", selector.name or None)
    for range_ms, step_ms in expression.subqueries(rule.expr):
        if range_ms < shortest_ms:
            step = f"{step_ms / 1000:g}s" if step_ms else ""
            window = f"the subquery [{range_ms / 1000:g}s:{step}]"
            yield warning("short_window", f"{window} {advice}", rule.expr)


# -- the expression


def contradicting_labels(rule: Rule, _context: Context) -> Iterator[Problem]:
    """Find selectors that contradict themselves."""
    for selector in expression.selectors(rule.expr):
        equal = {label: value for label, operator, value in selector.matchers if operator == "="}
        for label, operator, value in selector.matchers:
            if label in equal and not known_series.matches(equal, (label, operator, value)):
                why = (
                    "a label cannot have two values"
                    if operator == "="
                    else f"{label} cannot be {expression.quote(equal[label])} and meet"
                    f" {operator}{expression.quote(value)}"
                )
                said = f"{selector.text} selects nothing: {why}"
                yield error("empty_selector", said, selector.name or None)
                break


def not_recorded(rule: Rule, context: Context) -> Iterator[Problem]:
    """Find selectors without series in the run.

    A warning, because a series of errors is missing from a run without errors.
    """
    if not context.inventory:
        return
    for selector in dict.fromkeys(expression.selectors(rule.expr)):
        if why := context.inventory.explain_missing(selector):
            said = f"{selector.text} selects nothing that the run recorded: {why}"
            yield warning("empty_selector", said, selector.name or None)


def unusable_result(rule: Rule, _context: Context) -> Iterator[Problem]:
    """Find expressions of a kind that no rule can use."""
    if result := expression.unusable_result(rule.expr):
        yield error(
            "result",
            f"gives {result}, so Prometheus loads it and every evaluation fails; expected a vector"
            " or a number",
            rule.expr,
        )


def constant(rule: Rule, _context: Context) -> Iterator[Problem]:
    """Find comparisons that never change."""
    tree = expression.parse(rule.expr)
    if tree is not None and any(
        _is_constant(part) and _has_comparison(part) for part in _joined_parts(tree)
    ):
        said = "compares constants, so it never changes; expected a comparison of a series"
        yield error("constant", said, rule.expr)


def never(rule: Rule, _context: Context) -> Iterator[Problem]:
    """Find alerts that contradict themselves."""
    if why := contradictions.find(rule.expr):
        yield error("never", f"it never fires: {why}", rule.expr)


def bool_comparison(rule: Rule, _context: Context) -> Iterator[Problem]:
    """Find comparisons that give 0, on which an alert fires too."""
    tree = expression.parse(rule.expr)
    if tree is not None and any(
        expression.is_bool(part) and not _is_constant(part) for part in _joined_parts(tree)
    ):
        yield warning(
            "bool",
            "`bool` gives 0 where the comparison is not met, and an alert fires on 0 as on 1;"
            " expected the comparison without it",
            "bool",
        )


def _joined_parts(node: Any) -> list[Any]:
    """Return the parts that `and`, `or` and `unless` join."""
    if isinstance(node, promql.ParenExpr):
        return _joined_parts(node.expr)
    if isinstance(node, promql.BinaryExpr) and str(node.op) in {"and", "or", "unless"}:
        return [*_joined_parts(node.lhs), *_joined_parts(node.rhs)]
    return [node]


def _is_constant(node: Any) -> bool:
    if isinstance(node, promql.VectorSelector | promql.MatrixSelector):
        return False
    if isinstance(node, promql.Call) and node.func.name in _TIME_FUNCTIONS:
        return False
    return all(_is_constant(child) for child in expression.children(node))


def _has_comparison(node: Any) -> bool:
    return any(
        isinstance(part, promql.BinaryExpr) and str(part.op) in expression.COMPARISONS
        for part in expression.nodes(node)
    )


def order(rule: Rule, context: Context) -> Iterator[Problem]:
    """Find series that the rule's own group records later: the rule sees their previous value."""
    later = context.group.recorded_only_after(context.index)
    for name in dict.fromkeys(selector.name for selector in expression.selectors(rule.expr)):
        if name in later:
            yield warning(
                "order",
                f"{name} is recorded after this rule, which sees the previous evaluation's value;"
                " move the record before it",
                name,
            )


# -- Prometheus 2.42 and 3.x


def versions(rule: Rule, context: Context) -> Iterator[Problem]:
    """Find what means something else, or nothing, in another major version of Prometheus."""
    for said, part in (
        *_renamed_functions(rule),
        *_bound_labels(rule),
        *_one_scrape_windows(rule, context.intervals.scrape_ms),
    ):
        yield warning("versions", said, part)


def _renamed_functions(rule: Rule) -> Iterator[tuple[str, str]]:
    called = expression.called(rule.expr)
    for function, new_name in expression.RENAMED.items():
        if function in called:
            said = (
                f"{function}() is called {new_name}() in Prometheus 3, which needs"
                " --enable-feature=promql-experimental-functions"
            )
            yield said, function
    for function in called:
        if function in _FUNCTIONS_OF_3:
            yield f"Prometheus 2.42 knows no {function}()", function


def _bound_labels(rule: Rule) -> Iterator[tuple[str, str]]:
    """Find whole numbers as bucket bounds, which Prometheus 3 writes with a fraction."""
    for selector in expression.selectors(rule.expr):
        for label, operator, value in selector.matchers:
            bounds = value.split("|") if operator in {"=~", "!~"} else [value]
            for bound in bounds if label in _BOUND_LABELS else ():
                if re.fullmatch(r"[0-9]+", bound):
                    said = (
                        f'{label}="{bound}" is {label}="{bound}.0" in Prometheus 3;'
                        f' match {label}=~"{bound}([.]0)?"'
                    )
                    yield said, selector.name


def _one_scrape_windows(rule: Rule, scrape_ms: int) -> Iterator[tuple[str, str]]:
    for selector in expression.selectors(rule.expr):
        if selector.range_ms == scrape_ms:
            said = (
                f"{selector.text}[{scrape_ms / 1000:g}s] is one scrape long: Prometheus 3"
                " leaves its left edge out, and sees one sample less"
            )
            yield said, selector.name
