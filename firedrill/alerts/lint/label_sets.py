"""The labels that an expression's elements can have, as far as the expression tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

import promql_parser as promql

from firedrill.alerts.rules import expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from firedrill.alerts.rules.rule_file import Rule

    Recorded = Mapping[str, Sequence[Rule]]

_ABSENT = frozenset({"absent", "absent_over_time"})
_SELECTING = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
"""Aggregations that keep the labels of the elements that they select."""


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels that elements may have."""

    only: frozenset[str] | None = None
    """All that they may have; None: any but those in `without`."""
    without: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Labels that each element has with this value."""

    def lacks(self, label: str) -> bool:
        """Return whether no element has a label."""
        return label in self.without or (self.only is not None and label not in self.only)

    def kept(self, labels: Iterable[str]) -> LabelSet:
        """Return the set after an aggregation by these labels."""
        kept = frozenset(label for label in labels if not self.lacks(label))
        return LabelSet(kept, frozenset(), _among(self.fixed, kept))

    def removed(self, labels: Iterable[str]) -> LabelSet:
        """Return the set without these labels."""
        gone = frozenset(labels)
        fixed = {label: value for label, value in self.fixed.items() if label not in gone}
        only = None if self.only is None else self.only - gone
        return LabelSet(only, self.without | gone, fixed)

    def added(self, labels: Iterable[str]) -> LabelSet:
        """Return the set with these labels, whose values are not known."""
        new = frozenset(labels)
        fixed = {label: value for label, value in self.fixed.items() if label not in new}
        only = None if self.only is None else self.only | new
        return LabelSet(only, self.without - new, fixed)

    def united(self, other: LabelSet) -> LabelSet:
        """Return what elements of one set or of the other may have."""
        fixed = {key: value for key, value in self.fixed.items() if other.fixed.get(key) == value}
        if self.only is not None and other.only is not None:
            return LabelSet(self.only | other.only, frozenset(), fixed)
        without = frozenset(
            label
            for label in {*self.without, *other.without}
            if self.lacks(label) and other.lacks(label)
        )
        return LabelSet(None, without, fixed)


NONE = LabelSet(frozenset())


def of_node(node: Any, recorded: Recorded, visited: frozenset[str] = frozenset()) -> LabelSet:
    """Return the labels that a part of the tree can give, the metric's name left out."""
    while isinstance(node, promql.ParenExpr | promql.UnaryExpr | promql.SubqueryExpr):
        node = node.expr
    if isinstance(node, promql.MatrixSelector):
        node = node.vector_selector
    if isinstance(node, promql.VectorSelector):
        return _of_selector(node, recorded, visited)
    if isinstance(node, promql.AggregateExpr):
        return _of_aggregation(node, of_node(node.expr, recorded, visited))
    if isinstance(node, promql.Call):
        return _of_call(node, recorded, visited)
    if isinstance(node, promql.BinaryExpr):
        sides = (of_node(side, recorded, visited) for side in (node.lhs, node.rhs))
        return _of_operation(node, *sides)
    return NONE


def _of_selector(node: Any, recorded: Recorded, visited: frozenset[str]) -> LabelSet:
    (selector,) = expression.selectors_in(node)
    labels = LabelSet()
    if selector.name in recorded and selector.name not in visited:
        rules = recorded[selector.name]
        labels = reduce(
            LabelSet.united,
            (_of_recording(rule, recorded, visited | {selector.name}) for rule in rules),
        )
    empty = {label for label, operator, value in selector.matchers if operator == "=" and not value}
    fixed = {
        label: value
        for label, operator, value in selector.matchers
        if operator == "=" and value and label != "__name__"
    }
    labels = labels.removed(empty)
    return LabelSet(labels.only, labels.without, {**labels.fixed, **fixed})


def _of_recording(rule: Rule, recorded: Recorded, visited: frozenset[str]) -> LabelSet:
    tree = expression.parse(rule.expr)
    labels = LabelSet() if tree is None else of_node(tree, recorded, visited)
    set_empty = {label for label, value in rule.labels.items() if not value}
    return labels.added(rule.labels).removed(set_empty)


def _of_aggregation(node: Any, inner: LabelSet) -> LabelSet:
    if str(node.op) in _SELECTING:
        return inner
    named = [] if node.modifier is None else [str(label) for label in node.modifier.labels]
    if node.modifier is not None and str(node.modifier.type).endswith("Without"):
        result = inner.removed(named)
    else:
        result = inner.kept(named)
    is_new = str(node.op) == "count_values" and isinstance(node.param, promql.StringLiteral)
    return result.added([node.param.val]) if is_new else result


def _of_call(node: Any, recorded: Recorded, visited: frozenset[str]) -> LabelSet:
    name, args = node.func.name, list(node.args)
    vectors = [arg for arg in args if any(expression.selectors_in(arg))]
    if name in {"time", "scalar", "vector", "pi"} or not vectors:
        return NONE
    inner = of_node(vectors[0], recorded, visited)
    if name in _ABSENT:
        return LabelSet(frozenset(inner.fixed), frozenset(), inner.fixed)
    if name in {"histogram_quantile", "histogram_fraction"}:
        return inner.removed({"le"})
    if name in {"label_replace", "label_join"} and isinstance(args[1], promql.StringLiteral):
        return inner.added([args[1].val])
    return LabelSet() if name == "info" else inner


def _of_operation(node: Any, left: LabelSet, right: LabelSet) -> LabelSet:
    operator = str(node.op)
    if operator == "or":
        return left.united(right)
    if operator in {"and", "unless"} or is_scalar(node.rhs):
        return left
    return right if is_scalar(node.lhs) else _of_matched(node, left, right)


def _of_matched(node: Any, left: LabelSet, right: LabelSet) -> LabelSet:
    """Return the labels of an operation on two vectors: those of its `many` side, or the common."""
    many = {"ManyToOne": left, "OneToMany": right}.get(_cardinality(node))
    if many is not None:
        included = getattr(node.modifier.card, "labels", None) or node.modifier.group_labels
        return many.added(_names(included))
    matching = matching_labels(node)
    if matching is None:
        return LabelSet(left.only, left.without | right.without, left.fixed)
    is_on, labels = matching
    return left.kept(labels) if is_on else left.removed(labels)


def _names(labels: Any) -> list[str]:
    return [str(label) for label in getattr(labels, "labels", labels) or ()]


def _cardinality(node: Any) -> str:
    return "" if node.modifier is None else str(node.modifier.card).rpartition(".")[2]


def matching_labels(node: Any) -> tuple[bool, frozenset[str]] | None:
    """Return (whether by `on`, the labels) of an operation; None if it matches by all labels."""
    matching = node.modifier.matching if node.modifier is not None else None
    if matching is None:
        return None
    is_on = not str(matching.type).endswith("Exclude")
    return is_on, frozenset(map(str, matching.labels))


def is_scalar(node: Any) -> bool:
    """Return whether a part of the tree gives a number and no vector."""
    if isinstance(node, promql.NumberLiteral):
        return True
    if isinstance(node, promql.ParenExpr | promql.UnaryExpr):
        return is_scalar(node.expr)
    if isinstance(node, promql.BinaryExpr):
        return is_scalar(node.lhs) and is_scalar(node.rhs)
    return isinstance(node, promql.Call) and node.func.name in {"time", "scalar", "pi"}


def _among(fixed: Mapping[str, str], labels: frozenset[str]) -> dict[str, str]:
    return {label: value for label, value in fixed.items() if label in labels}
