"""Compare two versions of a rule file, so that an edited alert loses the state of its old rule.

On a reload Prometheus keeps pending and firing alerts by name and labels, whatever the new
expression is. An edited alert would continue the state of the old rule, and so would an alert that
reads an edited recording rule. A reload without the alert, in between, makes Prometheus forget it.
Samples of an old recording rule stay, and expressions still look back on them.
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
    """Names of the rules that differ between two versions of a file."""

    alerts: frozenset[str]
    records: frozenset[str]


def edit(before: str, after: str) -> Edit:
    """Return which rules of `after` differ from the rules of that name in `before`."""
    old: dict[tuple[bool, str], list[Any]] = {}
    for rule in rules_in(before):
        old.setdefault((rule.is_alert, rule.name), []).append(_meaning(rule))
    edited = [
        rule
        for rule in rules_in(after)
        if _meaning(rule) not in old.get((rule.is_alert, rule.name), [_meaning(rule)])
    ]
    return Edit(
        alerts=frozenset(rule.name for rule in edited if rule.is_alert),
        records=frozenset(rule.name for rule in edited if not rule.is_alert),
    )


def rules_in(text: str) -> list[Rule]:
    """Return the readable rules of a file; none if it is damaged or has comments only."""
    try:
        return [
            rule for group in rule_file.parse_tolerantly(text, "").groups for rule in group.rules
        ]
    except BadInput:
        return []


def readers(rules: Sequence[Rule], records: Iterable[str]) -> dict[str, int]:
    """Return the alerts that read one of these recorded series, with their look-back on it.

    Milliseconds; series that are read through other recording rules count.
    """
    wanted, recorded = frozenset(records), dependencies.recordings(rules)
    look_back_ms: dict[str, int] = {}
    for rule in (rule for rule in rules if rule.is_alert):
        for name, back_ms in dependencies.series_read(rule.expr, recorded):
            if name in wanted:
                look_back_ms[rule.name] = max(back_ms, look_back_ms.get(rule.name, 0))
    return look_back_ms


def without(text: str, alerts: Iterable[str]) -> str:
    """Return a rule file without all alerts of these names: rules of one name share their state."""
    names, rules = set(alerts), yaml_document.load(text, "a Prometheus rule file")
    for group in rules["groups"]:
        group["rules"] = [
            rule for rule in group.get("rules") or () if str(rule.get("alert")) not in names
        ]
    return yaml_document.dump(rules)


def _meaning(rule: Rule) -> Any:
    return equivalence.normalize(rule.expr), rule.labels, rule.hold_ms, rule.keep_ms
