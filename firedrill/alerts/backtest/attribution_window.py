"""The attribution window: how long after a cause has ended a firing is still attributed to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.alerts.rules import dependencies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firedrill.alerts.rules.rule_file import Group, Rule

SLACK_SECONDS = 5.0
"""Added for a scrape and an evaluation, generously."""


def seconds(rule: Rule, look_back_ms: int, factor: float = 1) -> float:
    """Return the attribution window of one alert.

    Args:
        rule: The alert.
        look_back_ms: How far back its expression looks, through recorded series too.
        factor: How many seconds one of the run's was stretched to.
    """
    return dependencies.memory_ms(rule, look_back_ms) / 1000 + SLACK_SECONDS * factor


def by_alert(groups: Iterable[Group]) -> dict[str, float]:
    """Return each alert's attribution window in seconds; of rules with one name, the longest."""
    windows: dict[str, float] = {}
    for rule, look_back_ms in dependencies.alerts_with_look_back(tuple(groups)):
        windows[rule.name] = max(windows.get(rule.name, 0.0), seconds(rule, look_back_ms))
    return windows
