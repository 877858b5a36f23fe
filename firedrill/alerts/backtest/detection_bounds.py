"""The earliest and latest time at which an alert can detect a fault, from its rule alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import promql_parser as promql

from firedrill.alerts.rules import expression
from firedrill.alerts.scaling.intervals import SCRAPE_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from firedrill.alerts.rules.rule_file import Group, Rule


@dataclass(frozen=True, slots=True)
class DetectionBounds:
    """How long an alert takes to fire after a fault began, in seconds."""

    hold_seconds: float
    """`for`."""
    window_seconds: float
    """The shortest window that decides; a longer one beside it asks for a large fault only."""
    interval_seconds: float
    scrape_seconds: float = SCRAPE_MS / 1000

    @property
    def earliest_seconds(self) -> float:
        """`for`, in whole evaluations: no alert fires sooner.

        Assumes a scrape and an evaluation right after the fault began.
        """
        evaluations = math.ceil(self.hold_seconds / self.interval_seconds - 1e-9)
        return evaluations * self.interval_seconds

    @property
    def latest_seconds(self) -> float:
        """The time until the whole window is new, was scraped and evaluated, and held for `for`.

        A large fault fires the alert before the window is full.
        """
        return self.hold_seconds + self.window_seconds + self.interval_seconds + self.scrape_seconds


def by_alert(groups: Iterable[Group]) -> dict[str, DetectionBounds]:
    """Return the bounds of each alert; of several rules with one name, the shortest."""
    groups = tuple(groups)
    records = [rule for group in groups for rule in group.rules if not rule.is_alert]
    shortest: dict[str, DetectionBounds] = {}
    for group in groups:
        for rule in (rule for rule in group.rules if rule.is_alert):
            bounds = DetectionBounds(
                hold_seconds=rule.hold_ms / 1000,
                window_seconds=_window_ms(expression.parse(rule.expr), records) / 1000,
                interval_seconds=(group.interval_ms or SCRAPE_MS) / 1000,
            )
            shortest[rule.name] = min(
                shortest.get(rule.name, bounds),
                bounds,
                key=lambda bounds: (bounds.earliest_seconds, bounds.latest_seconds),
            )
    return shortest


def _window_ms(node: Any, records: list[Rule]) -> int:
    """Return how much recorded time has to be new for an expression to change fully."""
    if isinstance(node, promql.MatrixSelector):
        return expression.milliseconds(node.range) + _recorded_ms(node.vector_selector, records)
    if isinstance(node, promql.VectorSelector):
        return _recorded_ms(node, records)
    if isinstance(node, promql.SubqueryExpr):
        return expression.milliseconds(node.range) + _window_ms(node.expr, records)
    if isinstance(node, promql.Call) and node.func.name == "scalar":
        return 0
    parts = [_window_ms(child, records) for child in expression.children(node)]
    operator = str(node.op) if isinstance(node, promql.BinaryExpr) else ""
    if operator == "and":
        return min(filter(None, parts), default=0)
    return min(parts) if operator == "or" else max(parts, default=0)


def _recorded_ms(selector: Any, records: list[Rule]) -> int:
    """Return the window of the rule that records a selector's name and labels."""
    wanted = {
        matcher.name: matcher.value
        for matcher in selector.matchers.matchers
        if expression.is_equality(matcher)
    }
    fitting = [
        rule for rule in records if rule.name == selector.name and _fits(rule.labels, wanted)
    ]
    others = [rule for rule in records if rule.name != selector.name]
    return min((_window_ms(expression.parse(rule.expr), others) for rule in fitting), default=0)


def _fits(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(wanted.get(name, value) == value for name, value in labels.items())
