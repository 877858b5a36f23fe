"""In which order recorded series come to be: what has to be evaluated before what, and what one by one. Pure.

Rules of a group are evaluated in their order, each seeing what those before it recorded at the same time. What is recorded at its own place
or after it, a rule sees as the evaluation before left it.
"""

from __future__ import annotations

from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from firedrill.alerts.replay.evaluation_times import MARK
from firedrill.alerts.rules import expression

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firedrill.alerts.rules.rule_file import Group, Rule

    Unit = list[tuple[Group, Rule]]


def reads(rule: Rule) -> set[str]:
    """Names of the series that a rule reads."""
    return set(_names(rule.expr))


@cache
def _names(expr: str) -> frozenset[str]:
    return frozenset(selector.name for selector in expression.selectors(expr))


def read_early(group: Group, number: int) -> set[str]:
    """What the group's rule of this number (from 0) reads and the evaluation before recorded."""
    return reads(group.rules[number]) & {
        one.name for one in group.rules[number:] if not one.is_alert
    }


def is_stepped(group: Group) -> bool:
    """Whether its recording rules and some of its alerts have to be evaluated one by one."""
    recorded: set[str] = set()
    for rule in reversed(group.rules):
        recorded |= set() if rule.is_alert else {rule.name}
        if reads(rule) & recorded:
            return True
    return False


def independent(rules: Sequence[Rule]) -> list[Rule]:
    """Those recording rules that read nothing that one of these rules records."""
    recorded = {rule.name for rule in rules if not rule.is_alert}
    return [rule for rule in rules if not rule.is_alert and not reads(rule) & (recorded | {""})]


def layers(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Rules of a group in their order, together as long as none reads what one before it in the layer records."""
    found: list[list[Rule]] = []
    recorded: set[str] = set()
    for rule in rules:
        if not found or recorded & reads(rule) or (recorded and "" in reads(rule)):
            found.append([])
            recorded = set()
        found[-1].append(rule)
        recorded |= set() if rule.is_alert else {rule.name}
    return found


def units(groups: Sequence[Group]) -> tuple[list[Unit], list[Rule]]:
    """Recording rules, each unit after those that it reads: what records one name, or all of a group that is stepped.

    And those that groups record from each other, so that nothing comes first.
    """
    found: dict[str, Unit] = {}
    for group in groups:
        stepped = is_stepped(group)
        for rule in (rule for rule in group.rules if not rule.is_alert and rule.name != MARK):
            found.setdefault(group.place if stepped else rule.name, []).append((group, rule))
    circular: list[Rule] = []
    while True:
        try:
            return [
                found[key] for key in TopologicalSorter(_before(found)).static_order()
            ], circular
        except CycleError as error:
            circular += [rule for key in set(error.args[1]) for _, rule in found.pop(key)]


def _before(found: Mapping[str, Unit]) -> dict[str, set[str]]:
    """Which units come before which. One that is stepped may read itself."""
    recorded_by: dict[str, set[str]] = {}
    for key, unit in found.items():
        for _, rule in unit:
            recorded_by.setdefault(rule.name, set()).add(key)
    return {
        key: {other for name in _read(key, unit) for other in recorded_by.get(name, ())}
        - _itself(key, unit)
        for key, unit in found.items()
    }


def _read(key: str, unit: Unit) -> set[str]:
    """By its recording rules, and by the alerts that are evaluated together with them."""
    group = unit[0][0]
    early = [
        rule
        for number, rule in enumerate(group.rules)
        if rule.is_alert and key == group.place and read_early(group, number)
    ]
    return {name for rule in (*early, *(rule for _, rule in unit)) for name in reads(rule)}


def _itself(key: str, unit: Unit) -> set[str]:
    return {key} if key == unit[0][0].place else set()
