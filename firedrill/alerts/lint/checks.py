"""What is wrong, or will be regretted, in a rule file. Pure, but for promtool and the recorded run that names may be looked up in.

`error`: Prometheus refuses it, or the alert cannot work. `warning`: it works, and probably not as meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import promql_parser as promql

from firedrill.alerts.lint import contradictions, known_series
from firedrill.alerts.rules import expression, label_templates, promtool, rule_file
from firedrill.alerts.scaling.intervals import SCRAPE_MS, SHORTEST_WINDOW_MS
from firedrill.contract import exported_series
from firedrill.docs import recorded_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from firedrill.alerts.lint.known_series import Inventory
    from firedrill.alerts.rules.rule_file import Group, Rule

LEAST_EVALUATIONS = 2
"""An alert whose `for` is shorter fires on a single evaluation."""
PROMETHEUS_S_OWN = frozenset({
    "up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added",
    "ALERTS", "ALERTS_FOR_STATE", "prometheus_rule_group_iterations_missed_total", "prometheus_rule_evaluation_failures_total",
})  # fmt: skip
"""Series of Prometheus itself that rules may read: of each scrape, of each alert, and of its own page."""
IN_EXPRESSION = {
    "unknown_metric",
    "short_window",
    "empty_selector",
    "constant",
    "never",
    "bool",
    "versions",
    "order",
    "result",
}
"""Checks whose findings belong to the line of the expression."""
_BOUND_LABELS = ("le", "quantile")
_TELL_TIME = {
    "time",
    "minute",
    "hour",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "month",
    "year",
}
"""Functions that read no series and change all the same."""
_ONLY_3 = ("labels", "query_offset")
"""Keys of a group that Prometheus 2.42 refuses, whatever a newer promtool says."""
_CALLED_IN_3 = frozenset({
    "double_exponential_smoothing", "end", "first_over_time", "histogram_avg", "histogram_quantiles", "histogram_stddev",
    "histogram_stdvar", "info", "limit_ratio", "limitk", "mad_over_time", "range", "sort_by_label", "sort_by_label_desc", "start", "step",
    "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time",
})  # fmt: skip
"""Functions and aggregations that 2.42 does not know; some of 3.x's ask for a feature flag."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say about one line."""

    place: str
    """`file:line`; the file alone where it cannot be read."""
    severity: str
    """`error` or `warning`."""
    check: str
    """A word for machines."""
    text: str


def check(
    file: Path, recorded: Inventory | None = None, beside: Iterable[Path] = ()
) -> list[Finding]:
    """Everything to say about a rule file, line by line.

    Args:
        file: The rule file.
        recorded: The series of a run; None to go by what the bundle exports and records.
        beside: Rule files that are loaded with it, and may record what it reads.

    Raises:
        Missing: there is no promtool.
    """
    groups, refused = promtool.examined(file)
    known = (
        set(recorded.names if recorded else exported_series() | recorded_names()) | PROMETHEUS_S_OWN
    )
    loaded = [*groups, *(group for other in beside for group in rule_file.sift(other).groups)]
    known |= {rule.name for group in loaded for rule in group.rules if not rule.is_alert}
    found = [
        Finding(mistake.place, "error", "promtool" if mistake.rule else "file", mistake.text)
        for mistake in refused
    ]
    for group in groups:
        found += _newer(group)
        for number, rule in enumerate(group.rules):
            if any(mistake.rule is rule for mistake in refused):
                found += _versions(group, rule)  # It may be the reason.
            else:
                found += _unknown(
                    rule, known, "the run has no" if recorded else "nobody exports or records"
                )
                found += [
                    *_of_rule(group, rule),
                    *_order(group, number, rule),
                    *(_missing(rule, recorded) if recorded else ()),
                ]
    return sorted(found, key=_line)


def check_all(files: Sequence[Path], recorded: Inventory | None = None) -> list[Finding]:
    """Everything to say about rule files that are loaded together.

    Raises:
        Missing: there is no promtool.
    """
    return [found for file in files for found in check(file, recorded, files)]


def _line(finding: Finding) -> int:
    line = finding.place.rpartition(":")[2]
    return int(line) if line.isdecimal() else 0


def _of_rule(group: Group, rule: Rule) -> Iterator[Finding]:
    for always in (_result, _windows, _empty, _versions):
        yield from always(group, rule)
    for of_alerts in (_labels, _notes, _hold, _constant, _never, _bool) if rule.is_alert else ():
        yield from of_alerts(group, rule)


def _finding(rule: Rule, severity: str, word: str, text: str) -> Finding:
    return Finding(
        rule.expr_place if word in IN_EXPRESSION else rule.place,
        severity,
        word,
        f"{rule.name}: {text}",
    )


# -- what an alert says


def _labels(_group: Group, rule: Rule) -> Iterator[Finding]:
    for name, text in rule.labels.items():
        if "{{" in text and label_templates.VALUE.search(text):
            yield _finding(
                rule,
                "error",
                "value_in_label",
                f"$value in the label {name} makes another alert of each evaluation: `for` never ends",
            )
    severity = rule.labels.get("severity")
    if severity not in {"critical", "warning", "info"}:
        said = f"severity is {severity}" if severity else "no severity"
        yield _finding(rule, "warning", "severity", f"{said}; expected critical, warning or info")


def _notes(_group: Group, rule: Rule) -> Iterator[Finding]:
    for name in ("summary", "description"):
        if not rule.annotations.get(name):
            yield _finding(rule, "warning", name, f"no {name}")


# -- times


def _hold(group: Group, rule: Rule) -> Iterator[Finding]:
    interval_ms = group.interval_ms or SCRAPE_MS
    if 0 < rule.hold_ms < LEAST_EVALUATIONS * interval_ms:
        text = f"`for` of {rule.hold_ms / 1000:g} s is under two evaluations ({interval_ms / 1000:g} s apart)"
        yield _finding(rule, "warning", "short_for", text)


def _windows(_group: Group, rule: Rule) -> Iterator[Finding]:
    for one in expression.selectors(rule.expr):
        if one.range_ms is not None and one.range_ms < SHORTEST_WINDOW_MS:
            text = f"{one.text}[{one.range_ms / 1000:g}s] spans under four scrapes"
            yield _finding(rule, "warning", "short_window", text)
    for range_ms, step_ms in expression.subqueries(rule.expr):
        if range_ms < SHORTEST_WINDOW_MS:
            step = f"{step_ms / 1000:g}s" if step_ms else ""
            yield _finding(
                rule,
                "warning",
                "short_window",
                f"the subquery [{range_ms / 1000:g}s:{step}] spans under four scrapes",
            )


# -- series


def _unknown(rule: Rule, known: Collection[str], where: str) -> Iterator[Finding]:
    for name in dict.fromkeys(one.name for one in expression.selectors(rule.expr)):
        if name and name not in known:
            yield _finding(rule, "warning", "unknown_metric", f"{where} {name}")


def _empty(_group: Group, rule: Rule) -> Iterator[Finding]:
    for one in expression.selectors(rule.expr):
        wanted = {label: value for label, operator, value in one.matchers if operator == "="}
        against = next(
            (
                matcher
                for matcher in one.matchers
                if matcher[0] in wanted and not known_series.fits(wanted, matcher)
            ),
            None,
        )
        if against and against[1] == "=":
            yield _finding(
                rule,
                "error",
                "empty_selector",
                f"{one.text} selects nothing: a label cannot have two values",
            )
        elif against:
            text = f"{one.text} selects nothing: {against[0]} cannot be {expression.quoted(wanted[against[0]])} and meet {against[1]}"
            yield _finding(
                rule, "error", "empty_selector", f"{text}{expression.quoted(against[2])}"
            )


def _missing(rule: Rule, recorded: Inventory) -> Iterator[Finding]:
    """A warning: a series of errors is missing where there were none."""
    for one in dict.fromkeys(expression.selectors(rule.expr)):
        why = recorded.missing(one)
        if why:
            yield _finding(
                rule,
                "warning",
                "empty_selector",
                f"{one.text} selects nothing that the run recorded: {why}",
            )


def _result(_group: Group, rule: Rule) -> Iterator[Finding]:
    wrong = expression.wrong_result(rule.expr)
    if wrong:
        yield _finding(
            rule,
            "error",
            "result",
            f"gives {wrong}; expected a vector or a number: Prometheus loads it and fails to evaluate it",
        )


def _constant(_group: Group, rule: Rule) -> Iterator[Finding]:
    tree = expression.parse(rule.expr)
    if tree is not None and any(
        _is_constant(part) and _has_comparison(part) for part in _joined(tree)
    ):
        yield _finding(rule, "error", "constant", "compares constants: it never changes")


def _joined(node: Any) -> list[Any]:
    """What `and`, `or` and `unless` join."""
    if isinstance(node, promql.ParenExpr):
        return _joined(node.expr)
    is_join = isinstance(node, promql.BinaryExpr) and str(node.op) in {"and", "or", "unless"}
    return [*_joined(node.lhs), *_joined(node.rhs)] if is_join else [node]


def _never(_group: Group, rule: Rule) -> Iterator[Finding]:
    why = contradictions.of(rule.expr)
    if why:
        yield _finding(rule, "error", "never", f"{why}: it never fires")


def _bool(_group: Group, rule: Rule) -> Iterator[Finding]:
    tree = expression.parse(rule.expr)
    if tree is not None and any(
        expression.is_bool(part) and not _is_constant(part) for part in _joined(tree)
    ):
        yield _finding(
            rule,
            "warning",
            "bool",
            "`bool` gives 0 where a comparison is not met, which fires as 1 does",
        )


def _is_constant(node: Any) -> bool:
    if isinstance(node, promql.VectorSelector | promql.MatrixSelector):
        return False
    if isinstance(node, promql.Call) and node.func.name in _TELL_TIME:
        return False
    return all(_is_constant(child) for child in expression.children(node))


def _has_comparison(node: Any) -> bool:
    is_one = isinstance(node, promql.BinaryExpr) and str(node.op) in expression.COMPARISONS
    return is_one or any(_has_comparison(child) for child in expression.children(node))


def _order(group: Group, number: int, rule: Rule) -> Iterator[Finding]:
    """Rules of a group are evaluated in order, each seeing what those before it recorded at the same time."""
    later = group.recorded_after(number)
    for name in dict.fromkeys(one.name for one in expression.selectors(rule.expr)):
        if name in later:
            yield _finding(
                rule,
                "warning",
                "order",
                f"{name} is recorded after it: it sees the evaluation before",
            )


# -- Prometheus 2.42 against 3.x


def _newer(group: Group) -> Iterator[Finding]:
    for key in _ONLY_3:
        if key in group.keys:
            yield Finding(
                group.place,
                "warning",
                "versions",
                f"group {group.name}: Prometheus 2.42 knows no {key}",
            )


def _versions(_group: Group, rule: Rule) -> Iterator[Finding]:
    called = expression.called(rule.expr)
    for function, renamed in expression.RENAMED.items():
        if function in called:
            yield _finding(
                rule, "warning", "versions", f"{function}() is called {renamed}() in Prometheus 3"
            )
    for function in called:
        if function in _CALLED_IN_3:
            yield _finding(rule, "warning", "versions", f"Prometheus 2.42 knows no {function}()")
    for one in expression.selectors(rule.expr):
        for label, operator, value in one.matchers:
            bounds = value.split("|") if operator in {"=~", "!~"} else [value]
            for whole in bounds if label in _BOUND_LABELS else ():
                if re.fullmatch(r"[0-9]+", whole):
                    text = f'{label}="{whole}" is {label}="{whole}.0" in Prometheus 3; match {label}=~"{whole}([.]0)?"'
                    yield _finding(rule, "warning", "versions", text)
        if one.range_ms == SCRAPE_MS:
            text = f"{one.text}[{one.range_ms // 1000}s] is one scrape long: Prometheus 3 leaves its left edge out and sees one sample less"
            yield _finding(rule, "warning", "versions", text)
