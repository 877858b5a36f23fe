"""A Prometheus rule file as data: groups, rules, and the line of each.

Whether the rules are valid is for promtool to say.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firedrill.alerts.rules import durations, rule_format, tokens, yaml_document
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    _Path = tuple[str | int, ...]

GROUP_KEYS = frozenset({"name", "interval", "query_offset", "limit", "labels", "rules"})
RULE_KEYS = frozenset(
    {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"}
)
_VMALERT_KEYS = frozenset({
    "type", "concurrency", "eval_offset", "eval_delay", "eval_alignment", "params", "headers",
    "notifier_headers", "tenant", "update_entries_limit", "debug", "extra_filter_labels",
})  # fmt: skip


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
    column: int | None = None
    """The column in the expression, counted from 1; None if it is not known."""


@dataclass(frozen=True, slots=True)
class RuleDocument:
    """A plain rule file within a file of any format."""

    groups: tuple[Group, ...]
    text: str
    """The document with null in place of what is wrong, on unchanged lines."""


@dataclass(frozen=True, slots=True)
class ParsedRuleFile:
    """The valid groups of a rule file, and the mistakes in the rest of it."""

    documents: tuple[RuleDocument, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    notes: tuple[Mistake, ...] = ()
    """What Prometheus does otherwise than a reader may think."""
    source: str = ""
    """The text of the file."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of all documents. A rule with a mistake is there if it can be read."""
        return tuple(group for document in self.documents for group in document.groups)


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
    source = ""
    try:
        source = rule_format.SourceText.decode(file.read_bytes()).text
        return parse_tolerantly(source, str(file))
    except OSError as error:
        mistake = Mistake(str(file), f"{error.strerror}; expected a Prometheus rule file")
    except BadInput as error:
        mistake = Mistake(*yaml_document.locate(str(file), error))
    return ParsedRuleFile(mistakes=(mistake,), source=source)


def parse_tolerantly(text: str, file: str) -> ParsedRuleFile:
    """Parse a rule file's text as `read_tolerantly` does; `file` is for the places.

    Raises:
        BadInput: it is no rule file; the message has the line.
    """
    split = rule_format.split(text)
    documents, mistakes = [], list[Mistake]()
    for document in split.texts:
        parser = _Parser(file)
        groups = tuple(parser.groups(yaml_document.load_as_spelled(document, rule_format.EXPECTED)))
        mistakes += parser.mistakes()
        documents.append(RuleDocument(groups, parser.without_mistakes(document)))
    notes = tuple(Mistake(f"{file}:{line}", note) for line, note in split.notes)
    return ParsedRuleFile(tuple(documents), tuple(mistakes), notes, text)


class _Parser:
    """Reads the groups and rules that are valid, and keeps the errors of the others by path."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._errors: dict[_Path, BadInput] = {}
        self._unknown_keys: list[_Path] = []
        self._read_rules: dict[_Path, Rule] = {}

    def mistakes(self) -> list[Mistake]:
        """Return what is wrong, with the rule if it could be read all the same."""
        return [
            Mistake(*yaml_document.locate(self._file, error), self._read_rules.get(path[:4]))
            for path, error in self._errors.items()
        ]

    def without_mistakes(self, text: str) -> str:
        """Return the document without what is wrong."""
        if not self._errors:
            return text
        values = self._errors.keys() - set(self._unknown_keys)
        return yaml_document.blank_out(text, values, self._unknown_keys)

    def groups(self, document: Any) -> Iterator[Group]:
        """Yield the valid groups; raise BadInput if the document is no rule file."""
        _refuse_duplicate_keys(document)
        # To Prometheus, an empty file and `groups:` without a value are rule files.
        listed = document.get("groups") or [] if "groups" in document or not document else None
        if not isinstance(listed, list):
            raise BadInput("line 1: no list of groups; expected a Prometheus rule file")
        self._keep_unknown_keys(document, {"groups"}, "a rule file")
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
        _refuse_other_languages(group, rules, line)
        self._keep_unknown_keys(group, GROUP_KEYS, "a group", "groups", index)
        interval_ms, limit = 0, 0
        with self._keeping_errors("groups", index, "interval"):
            interval_ms = _duration(group, "interval")
        with self._keeping_errors("groups", index, "limit"):
            limit = _number(group, "limit")
        return Group(
            name=str(group["name"]),
            place=f"{self._file}:{line}",
            interval_ms=interval_ms or None,
            limit=limit,
            keys=frozenset(map(str, group)),
            rules=tuple(self._rules(rules, index)),
        )

    def _rules(self, listed: Any, group: int) -> Iterator[Rule]:
        for index, rule in enumerate(listed):
            path = ("groups", group, "rules", index)
            with self._keeping_errors(*path):
                self._read_rules[path] = self._rule(rule, _line_of_item(listed, index), path)
                yield self._read_rules[path]

    def _rule(self, rule: Any, line: int, path: _Path) -> Rule:
        if (
            not hasattr(rule, "keys")
            or "expr" not in rule
            or ("alert" in rule) == ("record" in rule)
        ):
            raise BadInput(f"line {line}: no rule; expected alert or record, and expr")
        for key in {"alert", "record", "expr"} & set(rule):
            if isinstance(rule[key], dict | list):
                raise BadInput(f"line {_line_of(rule, key)}: {key}: {rule[key]} is no text")
        for mapping in (rule, rule.get("labels"), rule.get("annotations")):
            _refuse_duplicate_keys(mapping)
        self._keep_unknown_keys(rule, RULE_KEYS, "a rule", *path)
        texts: dict[str, dict[str, str]] = {"labels": {}, "annotations": {}}
        for key in texts:
            with self._keeping_errors(*path, key):
                texts[key] = _strings(rule, key)
        lengths_ms = {"for": 0, "keep_firing_for": 0}
        for key in lengths_ms:
            with self._keeping_errors(*path, key):
                lengths_ms[key] = _duration(rule, key)
        return Rule(
            name=str(rule["alert"] if "alert" in rule else rule["record"]),
            expr="" if rule["expr"] is None else str(rule["expr"]).strip(),
            is_alert="alert" in rule,
            place=f"{self._file}:{line}",
            expr_place=f"{self._file}:{_line_of(rule, 'expr')}",
            labels=texts["labels"],
            annotations=texts["annotations"],
            hold_ms=lengths_ms["for"],
            keep_ms=lengths_ms["keep_firing_for"],
        )

    def _keep_unknown_keys(
        self, mapping: Any, known: Collection[str], what: str, *path: str | int
    ) -> None:
        """Note the keys that no Prometheus knows; the rest of the mapping is read."""
        for key in mapping:
            if str(key) in known:
                continue
            where = (
                f"vmalert's key, and none of {what}"
                if key in _VMALERT_KEYS
                else f"no key of {what}"
            )
            listed = ", ".join(sorted(known))
            self._errors[*path, key] = BadInput(
                f"line {_line_of_key(mapping, key)}: {key}: is {where}; expected one of {listed}"
            )
            self._unknown_keys.append((*path, key))

    @contextmanager
    def _keeping_errors(self, *path: str | int) -> Iterator[None]:
        try:
            yield
        except BadInput as error:
            self._errors[path] = error


def _refuse_other_languages(group: Any, rules: Any, line: int) -> None:
    """Raise BadInput if a group's expressions are no PromQL."""
    language = str(group.get("type") or "prometheus")
    if language != "prometheus":
        raise BadInput(
            f"line {line}: group {group['name']} is of vmalert's type {language}, so its"
            " expressions are no PromQL; expected a group of Prometheus rules"
        )
    for rule in rules:
        if hasattr(rule, "keys") and tokens.is_logql(str(rule.get("expr") or "")):
            raise BadInput(
                f"line {_line_of(rule, 'expr')}: group {group['name']} has expressions in LogQL,"
                " for Loki's ruler; expected a group of Prometheus rules"
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


def _line_of_key(mapping: Any, key: str) -> int:
    """Return the line of a key; the mapping's if a merge key (`<<`) brought it."""
    return int(mapping.lc.key(key)[0]) + 1 if key in mapping.lc.data else _line(mapping)


def _line(node: Any) -> int:
    return int(node.lc.line) + 1


def _line_of_item(listed: Any, index: int) -> int:
    """Return the line of a list's item; a text and null have no line of their own."""
    if hasattr(listed[index], "lc"):
        return _line(listed[index])
    return int(listed.lc.item(index)[0]) + 1
