"""Dependencies of alerts: the series that they read, directly or not, and their look-back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.alerts.rules import expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from firedrill.alerts.rules.rule_file import Group, Rule

    Recordings = Mapping[str, Sequence[str]]
    """Expressions by the name that they record; several rules may record one name."""


def recordings(rules: Iterable[Rule]) -> Recordings:
    """Return the expressions of the recording rules among `rules`, by the name they record."""
    expressions: dict[str, list[str]] = {}
    for rule in rules:
        if not rule.is_alert:
            expressions.setdefault(rule.name, []).append(rule.expr)
    return expressions


def series_read(
    expr: str, recorded: Recordings, visited: frozenset[str] = frozenset()
) -> Iterator[tuple[str, int]]:
    """Yield the name of each series that an expression reads, and how far back in milliseconds.

    Series that `recorded` rules make are followed to what those rules read.
    """
    for selector in expression.selectors(expr):
        name = selector.name
        yield name, selector.look_back_ms
        for source in recorded.get(name, ()) if name not in visited else ():
            yield from (
                (source_name, selector.look_back_ms + further_ms)
                for source_name, further_ms in series_read(source, recorded, visited | {name})
            )


def look_back_ms(groups: Iterable[Group]) -> dict[str, int]:
    """Return how far back each alert looks, by its place; recorded series are followed."""
    rules = [rule for group in groups for rule in group.rules]
    recorded = recordings(rules)
    return {
        rule.place: max((ms for _, ms in series_read(rule.expr, recorded)), default=0)
        for rule in rules
        if rule.is_alert
    }


def alerts_with_look_back(groups: Sequence[Group]) -> list[tuple[Rule, int]]:
    """Return each alert with how far back it looks, in milliseconds."""
    by_place = look_back_ms(groups)
    return [
        (rule, by_place[rule.place]) for group in groups for rule in group.rules if rule.is_alert
    ]


def memory_ms(rule: Rule, look_back_ms: int) -> int:
    """Return how long an alert depends on the past: its look-back, `for` and `keep_firing_for`.

    So long after the first sample, its state is what it would be if there had been data before.
    """
    return look_back_ms + rule.hold_ms + rule.keep_ms
