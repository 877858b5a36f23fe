"""The order in which recorded series are made, and which rules must be evaluated one by one.

Rules of a group are evaluated in order, and each sees what earlier rules recorded at the same time.
A series that is recorded at the rule's own place or later is seen as the previous evaluation left
it.
"""

from __future__ import annotations

from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from firedrill.alerts.replay.evaluation_times import EVALUATION_MARKER
from firedrill.alerts.rules import expression

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firedrill.alerts.rules.rule_file import Group, Rule

    Unit = list[tuple[Group, Rule]]
    """Recording rules that are evaluated together."""


def reads(rule: Rule) -> set[str]:
    """Return the names of the series that a rule reads."""
    return set(_names(rule.expr))


@cache
def _names(expr: str) -> frozenset[str]:
    return frozenset(selector.name for selector in expression.selectors(expr))


def read_before_recorded(group: Group, index: int) -> set[str]:
    """Return the names that the rule at `index` reads and that the group records from there on.

    The rule sees the previous evaluation's values of these.
    """
    recorded = {rule.name for rule in group.rules[index:] if not rule.is_alert}
    return reads(group.rules[index]) & recorded


def needs_steps(group: Group) -> bool:
    """Return whether a rule reads what the previous evaluation of its group recorded."""
    recorded: set[str] = set()
    for rule in reversed(group.rules):
        recorded |= set() if rule.is_alert else {rule.name}
        if reads(rule) & recorded:
            return True
    return False


def independent(rules: Sequence[Rule]) -> list[Rule]:
    """Return the recording rules that read nothing that one of these rules records."""
    recorded = {rule.name for rule in rules if not rule.is_alert}
    return [rule for rule in rules if not rule.is_alert and not reads(rule) & (recorded | {""})]


def layers(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Split rules, in order, into parts in which no rule reads an earlier one's record."""
    layered: list[list[Rule]] = []
    recorded: set[str] = set()
    for rule in rules:
        if not layered or recorded & reads(rule) or (recorded and "" in reads(rule)):
            layered.append([])
            recorded = set()
        layered[-1].append(rule)
        recorded |= set() if rule.is_alert else {rule.name}
    return layered


def units(groups: Sequence[Group]) -> tuple[list[Unit], list[Rule]]:
    """Return units of recording rules in the order of evaluation, and the rules without an order.

    A unit is all rules that record one name, or all rules of a group that needs steps. Rules have
    no order if groups record from each other in a circle.
    """
    by_key: dict[str, Unit] = {}
    for group in groups:
        is_stepped = needs_steps(group)
        for rule in group.rules:
            if not rule.is_alert and rule.name != EVALUATION_MARKER:
                key = group.place if is_stepped else rule.name
                by_key.setdefault(key, []).append((group, rule))
    circular: list[Rule] = []
    while True:
        try:
            order = list(TopologicalSorter(_predecessors(by_key)).static_order())
        except CycleError as error:
            for key in set(error.args[1]):
                circular += [rule for _, rule in by_key.pop(key)]
        else:
            return [by_key[key] for key in order], circular


def _predecessors(by_key: Mapping[str, Unit]) -> dict[str, set[str]]:
    """Return which units come before each unit; a stepped one may read itself."""
    recorded_by: dict[str, set[str]] = {}
    for key, unit in by_key.items():
        for _, rule in unit:
            recorded_by.setdefault(rule.name, set()).add(key)
    return {
        key: {other for name in _read_by(key, unit) for other in recorded_by.get(name, ())}
        - _itself_if_stepped(key, unit)
        for key, unit in by_key.items()
    }


def _read_by(key: str, unit: Unit) -> set[str]:
    """Return what a unit's rules read, and the alerts that are evaluated together with them."""
    group = unit[0][0]
    alerts = [
        rule
        for index, rule in enumerate(group.rules)
        if rule.is_alert and key == group.place and read_before_recorded(group, index)
    ]
    return {name for rule in (*alerts, *(rule for _, rule in unit)) for name in reads(rule)}


def _itself_if_stepped(key: str, unit: Unit) -> set[str]:
    return {key} if key == unit[0][0].place else set()
