"""A Prometheus rule file as data: groups, rules, and the line of each.

Whether the rules are valid is for promtool to say.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firedrill.alerts.rules import durations, yaml_document
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
    """The most alerts (or series) that one rule may give; 0 for no limit."""
    rules: tuple[Rule, ...]
    keys: frozenset[str] = frozenset()
    """All keys of the group in the file."""

    def recorded_only_after(self, index: int) -> set[str]:
        """Return the names that are recorded after the rule at `index`, and not before it.

        The rule sees them as the previous evaluation left them.
        """
        so_far = {rule.name for rule in self.rules[: index + 1]}
        return {rule.name for rule in self.rules[index + 1 :] if not rule.is_alert} - so_far


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake in a rule file."""

    place: str
    """`file:line`; the file alone if it cannot be read at all."""
    text: str
    rule: Rule | None = None
    """The rule that Prometheus refuses; None if no single rule is wrong."""


@dataclass(frozen=True, slots=True)
class ParsedRuleFile:
    """The valid groups of a rule file, and the mistakes in the rest of it."""

    groups: tuple[Group, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    text: str | None = None
    """The file with null in place of what is wrong, on unchanged lines; None if all is wrong."""


def read(file: Path) -> tuple[Group, ...]:
    """Return the groups of a rule file.

    Raises:
        BadInput: it cannot be read, is no rule file, or has a mistake; names file and line.
    """
    parsed = read_tolerantly(file)
    for mistake in parsed.mistakes:
        raise BadInput(f"{mistake.place}: {mistake.text}")
    return parsed.groups


def read_tolerantly(file: Path) -> ParsedRuleFile:
    """Return the readable groups and rules of a file, and a mistake for each of the others."""
    try:
        return parse_tolerantly(file.read_text(), str(file))
    except OSError as error:
        text = f"{error.strerror}; expected a Prometheus rule file"
    except UnicodeDecodeError:
        text = "no text; expected a Prometheus rule file"
    except BadInput as error:
        return ParsedRuleFile(mistakes=(Mistake(*yaml_document.locate(str(file), error)),))
    return ParsedRuleFile(mistakes=(Mistake(str(file), text),))


def parse_tolerantly(text: str, file: str) -> ParsedRuleFile:
    """Parse a rule file's text as `read_tolerantly` does; `file` is for the places.

    Raises:
        BadInput: it is no rule file; the message has the line.
    """
    parser = _Parser(file)
    document = yaml_document.load_as_spelled(text, "a Prometheus rule file")
    groups = tuple(parser.groups(document))
    mistakes = tuple(
        Mistake(*yaml_document.locate(file, error)) for error in parser.errors.values()
    )
    valid = yaml_document.blank_out(text, parser.errors) if mistakes else text
    return ParsedRuleFile(groups, mistakes, valid)


def raise_first_mistake(document: Any) -> None:
    """Raise BadInput, with the line, if a loaded document is no rule file or has a mistake."""
    parser = _Parser("")
    list(parser.groups(document))
    for error in parser.errors.values():
        raise error


class _Parser:
    """Reads the groups and rules that are valid, and keeps the errors of the others by path."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.errors: dict[tuple[str | int, ...], BadInput] = {}

    def groups(self, document: Any) -> Iterator[Group]:
        """Yield the valid groups; raise BadInput if the document is no rule file."""
        _refuse_duplicate_keys(document)
        # To Prometheus, an empty file and `groups:` without a value are rule files.
        listed = document.get("groups") or [] if "groups" in document or not document else None
        if not isinstance(listed, list):
            raise BadInput("line 1: no list of groups; expected a Prometheus rule file")
        for index, group in enumerate(listed):
            with self._keeping_errors("groups", index):
                yield self._group(group, _line_of_item(listed, index), index)

    def _group(self, group: Any, line: int, index: int) -> Group:
        if not isinstance(group, dict) or not group.get("name"):
            raise BadInput(f"line {line}: no group; expected a name and a list of rules")
        _refuse_duplicate_keys(group)
        rules = group.get("rules") or []
        if not isinstance(rules, list):
            raise BadInput(f"line {_line_of(group, 'rules')}: rules: {rules} is no list")
        return Group(
            name=str(group["name"]),
            place=f"{self._file}:{line}",
            interval_ms=_duration(group, "interval") or None,
            limit=_number(group, "limit"),
            keys=frozenset(map(str, group)),
            rules=tuple(self._rules(rules, index)),
        )

    def _rules(self, listed: Any, group: int) -> Iterator[Rule]:
        for index, rule in enumerate(listed):
            with self._keeping_errors("groups", group, "rules", index):
                yield _rule(rule, _line_of_item(listed, index), self._file)

    @contextmanager
    def _keeping_errors(self, *path: str | int) -> Iterator[None]:
        try:
            yield
        except BadInput as error:
            self.errors[path] = error


def _rule(rule: Any, line: int, file: str) -> Rule:
    if not hasattr(rule, "keys") or "expr" not in rule or ("alert" in rule) == ("record" in rule):
        raise BadInput(f"line {line}: no rule; expected alert or record, and expr")
    for mapping in (rule, rule.get("labels"), rule.get("annotations")):
        _refuse_duplicate_keys(mapping)
    return Rule(
        name=str(rule["alert"] if "alert" in rule else rule["record"]),
        expr=str(rule["expr"]).strip(),
        is_alert="alert" in rule,
        place=f"{file}:{line}",
        expr_place=f"{file}:{_line_of(rule, 'expr')}",
        labels=_strings(rule, "labels"),
        annotations=_strings(rule, "annotations"),
        hold_ms=_duration(rule, "for"),
        keep_ms=_duration(rule, "keep_firing_for"),
    )


def _refuse_duplicate_keys(mapping: Any) -> None:
    if duplicate := yaml_document.duplicate_key(mapping):
        key, line = duplicate
        raise BadInput(f"line {line}: {key}: is there twice; expected each key once")


def _duration(mapping: Any, key: str) -> int:
    """Return a duration in milliseconds; 0 if the key is missing."""
    try:
        return durations.parse_ms(str(mapping[key])) if mapping.get(key) is not None else 0
    except BadInput as error:
        raise BadInput(f"line {_line_of(mapping, key)}: {key}: {error}") from error


def _number(mapping: Any, key: str) -> int:
    """Return a whole number; 0 if the key is missing."""
    value = mapping.get(key)
    try:
        return int(str(value), 0) if value is not None else 0
    except ValueError:
        raise BadInput(
            f"line {_line_of(mapping, key)}: {key}: {value} is no whole number"
        ) from None


def _strings(rule: Any, key: str) -> dict[str, str]:
    mapping = rule.get(key) or {}
    if not isinstance(mapping, dict):
        raise BadInput(f"line {_line_of(rule, key)}: {key}: {mapping} is no mapping")
    return {str(name): str(value) for name, value in mapping.items() if value is not None}


def _line_of(mapping: Any, key: str) -> int:
    """Return the line of a key's value; the mapping's if a merge key (`<<`) brought the value."""
    return int(mapping.lc.value(key)[0]) + 1 if key in mapping.lc.data else _line(mapping)


def _line(node: Any) -> int:
    return int(node.lc.line) + 1


def _line_of_item(listed: Any, index: int) -> int:
    """Return the line of a list's item; a text and null have no line of their own."""
    if hasattr(listed[index], "lc"):
        return _line(listed[index])
    return int(listed.lc.item(index)[0]) + 1
