"""Rule files between two versions, so that an edited alert begins anew.

On a reload Prometheus keeps what is pending and firing by name and labels, whatever the new expression is: an edited alert would go on with
what the old one began, and so would one that reads an edited recording rule. A reload in between, without it, makes it forget. What the old
recording rule has recorded stays, and is looked back on as far as expressions do. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firedrill.alerts.rules import dependencies, equivalence, rule_file, yaml_document
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from firedrill.alerts.rules.rule_file import Rule


@dataclass(frozen=True, slots=True)
class Edit:
    """Names of what a later version of a file has in another form than the earlier one."""

    alerts: frozenset[str]
    records: frozenset[str]


def edit(before: str, after: str) -> Edit:
    """What was edited between two texts of a rule file."""
    known: dict[tuple[bool, str], list[Any]] = {}
    for rule in rules_in(before):
        known.setdefault((rule.is_alert, rule.name), []).append(_meaning(rule))
    edited = [
        one
        for one in rules_in(after)
        if _meaning(one) not in known.get((one.is_alert, one.name), [_meaning(one)])
    ]
    names = {
        is_alert: frozenset(rule.name for rule in edited if rule.is_alert == is_alert)
        for is_alert in (True, False)
    }
    return Edit(names[True], names[False])


def rules_in(text: str) -> list[Rule]:
    """The rules of a file that can be read; none where it is damaged, or made of comments."""
    try:
        return [rule for group in rule_file.sifted(text, "").groups for rule in group.rules]
    except BadInput:
        return []


def readers(rules: Sequence[Rule], records: Iterable[str]) -> dict[str, int]:
    """The alerts that read one of these recorded series, and how far they look back on it (milliseconds), through others if need be."""
    wanted, recorded = frozenset(records), dependencies.records(rules)
    found: dict[str, int] = {}
    for rule in (rule for rule in rules if rule.is_alert):
        for name, back_ms in dependencies.read(rule.expr, recorded):
            if name in wanted:
                found[rule.name] = max(back_ms, found.get(rule.name, 0))
    return found


def without(text: str, alerts: Iterable[str]) -> str:
    """A rule file without the alerts of these names: all of them, as state is kept by name and several rules may share it."""
    names, rules = set(alerts), yaml_document.parse(text, "a Prometheus rule file")
    for group in rules["groups"]:
        group["rules"] = [
            rule for rule in group.get("rules") or () if str(rule.get("alert")) not in names
        ]
    return yaml_document.printed(rules)


def _meaning(rule: Rule) -> Any:
    return equivalence.of(rule.expr), rule.labels, rule.hold_ms, rule.keep_ms
