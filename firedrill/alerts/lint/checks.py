"""The checks of `alerts check`, one function each, and what they say about a rule file.

`error`: Prometheus refuses the rule, or the alert cannot work. `warning`: it works, and probably
not as meant.
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

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from firedrill.alerts.lint.known_series import Inventory
    from firedrill.alerts.rules.rule_file import Group, Rule

MIN_EVALUATIONS = 2
"""An alert whose `for` is shorter fires on a single evaluation."""
PROMETHEUS_OWN_SERIES = frozenset({
    "up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_series_added",
    "scrape_samples_post_metric_relabeling", "ALERTS", "ALERTS_FOR_STATE",
    "prometheus_rule_group_iterations_missed_total", "prometheus_rule_evaluation_failures_total",
})  # fmt: skip
"""Series that Prometheus makes itself: for each scrape, each alert, and on its metrics endpoint."""
IN_EXPRESSION = frozenset({
    "unknown_metric", "short_window", "empty_selector", "constant", "never", "bool", "versions",
    "order", "result",
})  # fmt: skip
"""Checks whose findings belong to the line of the expression."""
_BOUND_LABELS = ("le", "quantile")
_TIME_FUNCTIONS = {
    "time", "minute", "hour", "day_of_month", "day_of_week", "day_of_year", "days_in_month",
    "month", "year",
}  # fmt: skip
"""Functions that read no series and still change."""
_GROUP_KEYS_OF_3 = ("labels", "query_offset")
"""Keys of a group that Prometheus 2.42 refuses, whatever a newer promtool says."""
_FUNCTIONS_OF_3 = frozenset({
    "double_exponential_smoothing", "end", "first_over_time", "histogram_avg",
    "histogram_quantiles", "histogram_stddev", "histogram_stdvar", "info", "limit_ratio", "limitk",
    "mad_over_time", "range", "sort_by_label", "sort_by_label_desc", "start", "step",
    "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time",
})  # fmt: skip
"""Functions and aggregations that 2.42 does not know; some need a feature flag in 3.x."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding of a check."""

    place: str
    """`file:line`; the file alone if it cannot be read."""
    severity: str
    """`error` or `warning`."""
    check: str
    """The name of the check, for programs."""
    text: str


def check(
    file: Path, recorded: Inventory | None = None, beside: Iterable[Path] = ()
) -> list[Finding]:
    """Check a rule file and return the findings in order of the lines.

    Args:
        file: The rule file.
        recorded: The series of a run; None for those that the bundle exports and records.
        beside: Rule files that are loaded with it, and may record what it reads.

    Raises:
        Missing: there is no promtool.
    """
    groups, mistakes = promtool.check_file(file)
    known = _known_names(groups, recorded, beside)
    missing_from = "the run has no" if recorded else "nobody exports or records"
    findings = [
        Finding(mistake.place, "error", "promtool" if mistake.rule else "file", mistake.text)
        for mistake in mistakes
    ]
    for group in groups:
        findings += _group_keys(group)
        for index, rule in enumerate(group.rules):
            if any(mistake.rule is rule for mistake in mistakes):
                findings += _versions(group, rule)  # It may be why promtool refuses the rule.
                continue
            findings += _unknown(rule, known, missing_from)
            findings += _rule_checks(group, rule)
            findings += _order(group, index, rule)
            if recorded:
                findings += _not_recorded(rule, recorded)
    return sorted(findings, key=_line)


def check_all(files: Sequence[Path], recorded: Inventory | None = None) -> list[Finding]:
    """Check rule files that are loaded together.

    Raises:
        Missing: there is no promtool.
    """
    return [finding for file in files for finding in check(file, recorded, files)]


def _known_names(
    groups: Sequence[Group], recorded: Inventory | None, beside: Iterable[Path]
) -> set[str]:
    names = recorded.names if recorded else exported_series() | known_series.recorded_names()
    loaded = [*groups]
    for file in beside:
        loaded += rule_file.read_tolerantly(file).groups
    records = {rule.name for group in loaded for rule in group.rules if not rule.is_alert}
    return {*names, *PROMETHEUS_OWN_SERIES, *records}


def _line(finding: Finding) -> int:
    line = finding.place.rpartition(":")[2]
    return int(line) if line.isdecimal() else 0


def _rule_checks(group: Group, rule: Rule) -> Iterator[Finding]:
    for check_rule in (_result, _windows, _contradicting_labels, _versions):
        yield from check_rule(group, rule)
    if rule.is_alert:
        for check_alert in (_labels, _annotations, _hold, _constant, _never, _bool):
            yield from check_alert(group, rule)


def _finding(rule: Rule, severity: str, name: str, text: str) -> Finding:
    place = rule.expr_place if name in IN_EXPRESSION else rule.place
    return Finding(place, severity, name, f"{rule.name}: {text}")


# -- labels and annotations


def _labels(_group: Group, rule: Rule) -> Iterator[Finding]:
    for name, text in rule.labels.items():
        if "{{" in text and label_templates.has_value(text):
            said = (
                f"$value in the label {name} makes another alert of each evaluation, so `for` never"
                " ends; move it to an annotation"
            )
            yield _finding(rule, "error", "value_in_label", said)
    severity = rule.labels.get("severity")
    if severity not in {"critical", "warning", "info"}:
        said = f"severity is {severity}" if severity else "no severity"
        yield _finding(rule, "warning", "severity", f"{said}; expected critical, warning or info")


def _annotations(_group: Group, rule: Rule) -> Iterator[Finding]:
    for name in ("summary", "description"):
        if not rule.annotations.get(name):
            yield _finding(rule, "warning", name, f"no {name}; expected one in its annotations")


# -- times


def _hold(group: Group, rule: Rule) -> Iterator[Finding]:
    interval_ms = group.interval_ms or SCRAPE_MS
    if 0 < rule.hold_ms < MIN_EVALUATIONS * interval_ms:
        said = (
            f"`for` of {rule.hold_ms / 1000:g} s is under two evaluations"
            f" ({interval_ms / 1000:g} s apart), so a single one fires it; expected"
            f" {MIN_EVALUATIONS * interval_ms / 1000:g}s or more"
        )
        yield _finding(rule, "warning", "short_for", said)


def _windows(_group: Group, rule: Rule) -> Iterator[Finding]:
    advice = (
        "spans under four scrapes, so one failed scrape can empty it; expected"
        f" {SHORTEST_WINDOW_MS // 1000}s or more"
    )
    for selector in expression.selectors(rule.expr):
        if selector.range_ms is not None and selector.range_ms < SHORTEST_WINDOW_MS:
            window = f"{selector.text}[{selector.range_ms / 1000:g}s]"
            yield _finding(rule, "warning", "short_window", f"{window} {advice}")
    for range_ms, step_ms in expression.subqueries(rule.expr):
        if range_ms < SHORTEST_WINDOW_MS:
            step = f"{step_ms / 1000:g}s" if step_ms else ""
            window = f"the subquery [{range_ms / 1000:g}s:{step}]"
            yield _finding(rule, "warning", "short_window", f"{window} {advice}")


# -- series


def _unknown(rule: Rule, known: Collection[str], missing_from: str) -> Iterator[Finding]:
    for name in _names(rule):
        if name and name not in known:
            said = f"{missing_from} {name}; check the spelling, or the rule that should record it"
            yield _finding(rule, "warning", "unknown_metric", said)


def _names(rule: Rule) -> list[str]:
    """Return the names of the series that a rule reads, each once."""
    return list(dict.fromkeys(selector.name for selector in expression.selectors(rule.expr)))


def _contradicting_labels(_group: Group, rule: Rule) -> Iterator[Finding]:
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
                yield _finding(rule, "error", "empty_selector", said)
                break


def _not_recorded(rule: Rule, recorded: Inventory) -> Iterator[Finding]:
    """Find selectors without series in the run.

    A warning, because a series of errors is missing from a run without errors.
    """
    for selector in dict.fromkeys(expression.selectors(rule.expr)):
        if why := recorded.explain_missing(selector):
            said = f"{selector.text} selects nothing that the run recorded: {why}"
            yield _finding(rule, "warning", "empty_selector", said)


def _result(_group: Group, rule: Rule) -> Iterator[Finding]:
    if result := expression.unusable_result(rule.expr):
        said = (
            f"gives {result}, so Prometheus loads it and every evaluation fails; expected a vector"
            " or a number"
        )
        yield _finding(rule, "error", "result", said)


def _constant(_group: Group, rule: Rule) -> Iterator[Finding]:
    tree = expression.parse(rule.expr)
    if tree is not None and any(
        _is_constant(part) and _has_comparison(part) for part in _joined_parts(tree)
    ):
        said = "compares constants, so it never changes; expected a comparison of a series"
        yield _finding(rule, "error", "constant", said)


def _joined_parts(node: Any) -> list[Any]:
    """Return the parts that `and`, `or` and `unless` join."""
    if isinstance(node, promql.ParenExpr):
        return _joined_parts(node.expr)
    if isinstance(node, promql.BinaryExpr) and str(node.op) in {"and", "or", "unless"}:
        return [*_joined_parts(node.lhs), *_joined_parts(node.rhs)]
    return [node]


def _never(_group: Group, rule: Rule) -> Iterator[Finding]:
    if why := contradictions.find(rule.expr):
        yield _finding(rule, "error", "never", f"it never fires: {why}")


def _bool(_group: Group, rule: Rule) -> Iterator[Finding]:
    tree = expression.parse(rule.expr)
    if tree is not None and any(
        expression.is_bool(part) and not _is_constant(part) for part in _joined_parts(tree)
    ):
        said = (
            "`bool` gives 0 where the comparison is not met, and an alert fires on 0 as on 1;"
            " expected the comparison without it"
        )
        yield _finding(rule, "warning", "bool", said)


def _is_constant(node: Any) -> bool:
    if isinstance(node, promql.VectorSelector | promql.MatrixSelector):
        return False
    if isinstance(node, promql.Call) and node.func.name in _TIME_FUNCTIONS:
        return False
    return all(_is_constant(child) for child in expression.children(node))


def _has_comparison(node: Any) -> bool:
    if isinstance(node, promql.BinaryExpr) and str(node.op) in expression.COMPARISONS:
        return True
    return any(_has_comparison(child) for child in expression.children(node))


def _order(group: Group, index: int, rule: Rule) -> Iterator[Finding]:
    """Find series that the rule's own group records later: the rule sees their previous value."""
    later = group.recorded_only_after(index)
    for name in _names(rule):
        if name in later:
            said = (
                f"{name} is recorded after this rule, which sees the previous evaluation's value;"
                " move the record before it"
            )
            yield _finding(rule, "warning", "order", said)


# -- Prometheus 2.42 and 3.x


def _group_keys(group: Group) -> Iterator[Finding]:
    for key in _GROUP_KEYS_OF_3:
        if key in group.keys:
            said = f"group {group.name}: Prometheus 2.42 knows no {key}, and refuses the file"
            yield Finding(group.place, "warning", "versions", said)


def _versions(_group: Group, rule: Rule) -> Iterator[Finding]:
    for said in (*_renamed_functions(rule), *_bound_labels(rule), *_one_scrape_windows(rule)):
        yield _finding(rule, "warning", "versions", said)


def _renamed_functions(rule: Rule) -> Iterator[str]:
    called = expression.called(rule.expr)
    for function, new_name in expression.RENAMED.items():
        if function in called:
            yield f"{function}() is called {new_name}() in Prometheus 3"
    for function in called:
        if function in _FUNCTIONS_OF_3:
            yield f"Prometheus 2.42 knows no {function}()"


def _bound_labels(rule: Rule) -> Iterator[str]:
    """Find whole numbers as bucket bounds, which Prometheus 3 writes with a fraction."""
    for selector in expression.selectors(rule.expr):
        for label, operator, value in selector.matchers:
            bounds = value.split("|") if operator in {"=~", "!~"} else [value]
            for bound in bounds if label in _BOUND_LABELS else ():
                if re.fullmatch(r"[0-9]+", bound):
                    yield (
                        f'{label}="{bound}" is {label}="{bound}.0" in Prometheus 3;'
                        f' match {label}=~"{bound}([.]0)?"'
                    )


def _one_scrape_windows(rule: Rule) -> Iterator[str]:
    for selector in expression.selectors(rule.expr):
        if selector.range_ms == SCRAPE_MS:
            yield (
                f"{selector.text}[{selector.range_ms // 1000}s] is one scrape long: Prometheus 3"
                " leaves its left edge out, and sees one sample less"
            )
