"""A Prometheus rule file as data: groups, rules, and the line of each. Whether it is valid is for promtool to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firedrill.alerts import document, durations
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert or a recording rule."""

    name: str
    expr: str
    is_alert: bool
    place: str
    """`file:line` of its name."""
    expr_place: str
    """`file:line` of its expression."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    hold_ms: int = 0
    """`for`."""
    keep_ms: int = 0
    """`keep_firing_for`."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that Prometheus evaluates in order, at one interval."""

    name: str
    place: str
    interval_ms: int | None
    """None: the evaluation interval of the Prometheus that loads it."""
    limit: int
    """Most alerts (or series) that one rule may give; 0 for any number."""
    rules: tuple[Rule, ...]
    keys: frozenset[str] = frozenset()
    """Everything it says of itself."""

    def recorded_after(self, number: int) -> set[str]:
        """Names that its rule of this number (from 0) finds as the evaluation before left them: recorded after it, and not before."""
        before = {one.name for one in self.rules[:number]} | {self.rules[number].name}
        return {one.name for one in self.rules[number + 1 :] if not one.is_alert} - before


def read(file: Path) -> tuple[Group, ...]:
    """The groups of a rule file.

    Raises:
        BadInput: it cannot be read or is no rule file; the message names the file, and the line where YAML itself is broken.
    """
    try:
        text = file.read_text()
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}; expected a Prometheus rule file") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file}: no text; expected a Prometheus rule file") from error
    try:
        return groups_in(document.read(text, "a Prometheus rule file"), str(file))
    except BadInput as error:
        raise BadInput(f"{file}: {error}") from error


def groups_in(found: Any, file: str) -> tuple[Group, ...]:
    """The groups of a parsed rule file.

    Raises:
        BadInput: it is no rule file; the message has the line.
    """
    return tuple(_groups(found, file))


def _groups(found: Any, file: str) -> Iterator[Group]:
    # Nothing at all, and `groups:` without any, are rule files to Prometheus.
    groups = found.get("groups") or [] if "groups" in found or not found else None
    if not isinstance(groups, list):
        raise BadInput("line 1: no list of groups; expected a Prometheus rule file")
    for group in groups:
        if not isinstance(group, dict) or "name" not in group or not isinstance(group.get("rules") or [], list):
            raise BadInput(f"line {_line(group)}: no group; expected a name and a list of rules")
        yield Group(
            name=str(group["name"]),
            place=f"{file}:{_line(group)}",
            interval_ms=_duration(group, "interval") or None,
            limit=_number(group, "limit"),
            rules=tuple(_rule(rule, file) for rule in group.get("rules") or ()),
            keys=frozenset(map(str, group)),
        )


def _rule(rule: Any, file: str) -> Rule:
    if not hasattr(rule, "keys") or "expr" not in rule or ("alert" in rule) == ("record" in rule):
        raise BadInput(f"line {_line(rule)}: no rule; expected alert or record, and expr")
    return Rule(
        name=str(rule["alert"] if "alert" in rule else rule["record"]),
        expr=str(rule["expr"]).strip(),
        is_alert="alert" in rule,
        place=f"{file}:{_line(rule)}",
        expr_place=f"{file}:{_line_of(rule, 'expr')}",
        labels=_strings(rule, "labels"),
        annotations=_strings(rule, "annotations"),
        hold_ms=_duration(rule, "for"),
        keep_ms=_duration(rule, "keep_firing_for"),
    )


def _duration(mapping: Any, key: str) -> int:
    """0 where there is none."""
    try:
        return durations.milliseconds(str(mapping[key])) if mapping.get(key) is not None else 0
    except BadInput as error:
        raise BadInput(f"line {_line_of(mapping, key)}: {key}: {error}") from error


def _number(mapping: Any, key: str) -> int:
    """0 where there is none."""
    found = mapping.get(key)
    try:
        return int(str(found), 0) if found is not None else 0
    except ValueError:
        raise BadInput(f"line {_line_of(mapping, key)}: {key}: {found} is no whole number") from None


def _strings(rule: Any, key: str) -> dict[str, str]:
    found = rule.get(key) or {}
    if not isinstance(found, dict):
        raise BadInput(f"line {_line_of(rule, key)}: {key}: {found} is no mapping")
    return {str(name): str(value) for name, value in found.items() if value is not None}


def _line_of(mapping: Any, key: str) -> int:
    """Of a key's value; what a merge key (`<<`) brought has no line here, and the mapping's is given."""
    return int(mapping.lc.value(key)[0]) + 1 if key in mapping.lc.data else _line(mapping)


def _line(node: Any) -> int:
    lines = getattr(node, "lc", None)
    return lines.line + 1 if lines else 1
