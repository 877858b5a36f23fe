"""What recorded series are made of: everything that an expression reads through them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.alerts.rules import expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from firedrill.alerts.rules.rule_file import Rule

    Records = Mapping[str, Sequence[str]]
    """Expressions by the name that they record; several may record different labels of one."""


def records(rules: Iterable[Rule]) -> Records:
    """Of the recording rules among these."""
    found: dict[str, list[str]] = {}
    for rule in rules:
        if not rule.is_alert:
            found.setdefault(rule.name, []).append(rule.expr)
    return found


def read(
    expr: str, recorded: Records, seen: frozenset[str] = frozenset()
) -> Iterator[tuple[str, int]]:
    """The name of each series that an expression reads, itself or through recorded ones, and how far back (milliseconds)."""
    for one in expression.selectors(expr):
        yield one.name, one.reach_ms
        for other in recorded.get(one.name, ()) if one.name not in seen else ():
            yield from (
                (name, one.reach_ms + further_ms)
                for name, further_ms in read(other, recorded, seen | {one.name})
            )
