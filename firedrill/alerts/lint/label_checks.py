"""Checks of labels: those that an expression loses, and sides that never match each other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import promql_parser as promql

from firedrill.alerts.lint import label_sets
from firedrill.alerts.lint.finding import Problem, error, warning
from firedrill.alerts.rules import expression, label_templates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firedrill.alerts.lint.context import Context
    from firedrill.alerts.lint.label_sets import LabelSet
    from firedrill.alerts.rules.rule_file import Rule

_ALERT_LABELS = frozenset({"alertname"})


def template_label(rule: Rule, context: Context) -> Iterator[Problem]:
    """Find labels in templates that the expression aggregates away: they are always empty."""
    tree = expression.parse(rule.expr)
    if tree is None:
        return
    labels = label_sets.of_node(tree, context.recorded)
    for where, texts in (("label", rule.labels), ("annotation", rule.annotations)):
        for name, text in texts.items():
            for label in label_templates.labels_used(text):
                if labels.lacks(label) and label not in _ALERT_LABELS:
                    yield warning(
                        "template_label",
                        f"$labels.{label} in the {where} {name} is always empty, because the"
                        f" expression gives no label {label}; keep it, for example by ({label})",
                        _aggregation_in(rule.expr),
                    )


def _aggregation_in(expr: str) -> str | None:
    match = re.search(r"\b(?:by|without|on)\s*\([^)]*\)", expr)
    return match[0] if match else None


def histogram_without_le(rule: Rule, context: Context) -> Iterator[Problem]:
    """Find histogram_quantile() of classic buckets that have lost the label le."""
    for node in expression.nodes(expression.parse(rule.expr)):
        is_quantile = isinstance(node, promql.Call) and node.func.name in {
            "histogram_quantile",
            "histogram_fraction",
        }
        if not is_quantile:
            continue
        buckets = node.args[len(node.args) - 1]
        names = [selector.name for selector in expression.selectors_in(buckets)]
        labels = label_sets.of_node(buckets, context.recorded)
        if labels.lacks("le") and any(name.endswith("_bucket") for name in names):
            yield error(
                "histogram_without_le",
                f"{node.func.name}() gets buckets without the label le, so it gives nothing;"
                " keep le, as in sum by (le) (...)",
                node.func.name,
            )


def no_shared_labels(rule: Rule, context: Context) -> Iterator[Problem]:
    """Find operations whose sides never match, because their labels differ."""
    for node in expression.nodes(expression.parse(rule.expr)):
        if not isinstance(node, promql.BinaryExpr) or str(node.op) == "or":
            continue
        if label_sets.is_scalar(node.lhs) or label_sets.is_scalar(node.rhs):
            continue
        left = label_sets.of_node(node.lhs, context.recorded)
        right = label_sets.of_node(node.rhs, context.recorded)
        why = _why_no_match(left, right, label_sets.matching_labels(node))
        if why:
            yield warning(
                "no_shared_labels",
                f"the sides of {node.op} never match: {why}; match them by on (...) or"
                " ignoring (...), or keep the same labels on both sides",
                _operator_in(rule.expr, str(node.op)),
            )


def _operator_in(expr: str, operator: str) -> str | None:
    return operator if expr.count(operator) == 1 else None


def _why_no_match(
    left: LabelSet, right: LabelSet, matching: tuple[bool, frozenset[str]] | None
) -> str | None:
    if matching is None:
        return _why_different(left, right)
    is_on, labels = matching
    if is_on:
        return _why_no_match_on(left, right, labels) if labels else None
    return _why_different(left.removed(labels), right.removed(labels))


def _why_no_match_on(left: LabelSet, right: LabelSet, labels: frozenset[str]) -> str | None:
    for name, side, other in (("left", left, right), ("right", right, left)):
        lost = sorted(label for label in labels if side.lacks(label))
        certain = [label for label in lost if _has(other, label)]
        if certain or (lost and len(lost) == len(labels) and not all(map(other.lacks, labels))):
            return f"the {name} side has no label {', '.join(certain or lost)}"
    return _different_values(left.fixed, right.fixed, labels)


def _why_different(left: LabelSet, right: LabelSet) -> str | None:
    if left.only is not None and right.only is not None and left.only != right.only:
        named = [
            f"the {name} has {', '.join(sorted(side)) or 'no labels'}"
            for name, side in (("left", left.only), ("right", right.only))
        ]
        return " and ".join(named)
    for name, side, other in (("left", left, right), ("right", right, left)):
        lost = sorted(label for label in other.fixed if side.lacks(label))
        if lost:
            return f"the {name} side has no label {', '.join(lost)}"
    return _different_values(left.fixed, right.fixed, frozenset(left.fixed))


def _has(side: LabelSet, label: str) -> bool:
    """Return whether the elements of a side have a label, as far as the expression tells."""
    return label in side.fixed or (side.only is not None and label in side.only)


def _different_values(
    left: Mapping[str, str], right: Mapping[str, str], labels: frozenset[str]
) -> str | None:
    for label in sorted(labels & left.keys() & right.keys()):
        if left[label] != right[label]:
            return (
                f"{label} is {expression.quote(left[label])} on the left and"
                f" {expression.quote(right[label])} on the right"
            )
    return None


def value_in_label(rule: Rule, _context: Context) -> Iterator[Problem]:
    """Find labels that hold the value, which makes another alert of each new value."""
    for name, text in rule.labels.items():
        if not label_templates.prints_value(text):
            continue
        if rule.hold_ms and _varies(expression.parse(rule.expr)):
            yield error(
                "value_in_label",
                f"$value in the label {name} makes another alert of each new value, so `for` begins"
                " anew and may never end; move it to an annotation",
            )
        else:
            yield warning(
                "value_in_label",
                f"$value in the label {name} makes another alert, and another notification, of each"
                " new value; move it to an annotation",
            )


def _varies(tree: Any) -> bool:
    """Return whether an expression gives more than one value."""
    while isinstance(tree, promql.ParenExpr):
        tree = tree.expr
    is_equal = isinstance(tree, promql.BinaryExpr) and str(tree.op) == "=="
    return not is_equal
