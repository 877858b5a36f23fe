"""How long an alert takes by its own definition: `for` at least, and until all that it reads is new at most. Pure."""

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
class Least:
    """Seconds."""

    hold_seconds: float
    window_seconds: float
    """The shortest that decides: a longer one beside it only asks that the fault is large enough."""
    interval_seconds: float
    scrape_seconds: float = SCRAPE_MS / 1000

    @property
    def seconds(self) -> float:
        """Nothing fires sooner: `for`, in whole evaluations. A scrape and an evaluation right after the fault cost no more."""
        return math.ceil(self.hold_seconds / self.interval_seconds - 1e-9) * self.interval_seconds

    @property
    def full_seconds(self) -> float:
        """When all of the window has filled, was scraped and evaluated, and has held; a large fault needs only a part of the window."""
        return self.hold_seconds + self.window_seconds + self.interval_seconds + self.scrape_seconds


def of_rules(groups: Iterable[Group]) -> dict[str, Least]:
    """The least of each alert, by its name; of several rules with one name, the shortest."""
    groups = tuple(groups)
    records = [rule for group in groups for rule in group.rules if not rule.is_alert]
    found: dict[str, Least] = {}
    for group in groups:
        for rule in group.rules:
            if rule.is_alert:
                window_ms = _window_ms(expression.parse(rule.expr), records)
                least = Least(
                    rule.hold_ms / 1000, window_ms / 1000, (group.interval_ms or SCRAPE_MS) / 1000
                )
                found[rule.name] = min(
                    found.get(rule.name, least),
                    least,
                    key=lambda one: (one.seconds, one.full_seconds),
                )
    return found


def _window_ms(node: Any, records: list[Rule]) -> int:
    """How much of what it reads has to be new."""
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
    """The window of the series that a rule records under the selector's name and labels."""
    wanted = {one.name: one.value for one in selector.matchers.matchers if expression.is_equal(one)}
    fitting = [
        rule for rule in records if rule.name == selector.name and _fits(rule.labels, wanted)
    ]
    others = [rule for rule in records if rule.name != selector.name]
    return min((_window_ms(expression.parse(rule.expr), others) for rule in fitting), default=0)


def _fits(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(wanted.get(name, value) == value for name, value in labels.items())
