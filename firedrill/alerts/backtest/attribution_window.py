"""For how long an alert may owe its firing to a cause that is over. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.alerts.rules import dependencies

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from firedrill.alerts.rules.rule_file import Group, Rule

SLACK_SECONDS = 5.0
"""Beside its window and `for`: a scrape and an evaluation, generously."""


def seconds(rule: Rule, reach_ms: int, factor: float = 1) -> float:
    """Of an alert that looks so far back, where a second of the run was made `factor` long."""
    return settled_ms(rule, reach_ms) / 1000 + SLACK_SECONDS * factor


def settled_ms(rule: Rule, reach_ms: int) -> int:
    """How long after its data's beginning an alert that looks so far back is what it would be if there had been data before."""
    return reach_ms + rule.hold_ms + rule.keep_ms


def by_name(groups: Iterable[Group]) -> dict[str, float]:
    """Seconds of each alert; of several rules with one name, the longest."""
    found: dict[str, float] = {}
    for rule, reach_ms in with_reaches(tuple(groups)):
        found[rule.name] = max(found.get(rule.name, 0.0), seconds(rule, reach_ms))
    return found


def with_reaches(groups: Sequence[Group]) -> list[tuple[Rule, int]]:
    """Each alert with how far back it looks, in milliseconds."""
    reach_ms = reaches(groups)
    return [
        (rule, reach_ms[rule.place]) for group in groups for rule in group.rules if rule.is_alert
    ]


def reaches(groups: Sequence[Group]) -> dict[str, int]:
    """How far back each alert looks, through the series that the same files record for it; by its place."""
    rules = [rule for group in groups for rule in group.rules]
    recorded = dependencies.records(rules)
    return {
        rule.place: max((ms for _, ms in dependencies.read(rule.expr, recorded)), default=0)
        for rule in rules
        if rule.is_alert
    }
