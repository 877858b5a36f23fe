"""A Prometheus rule file as data: groups, rules, and the line of each. Whether it is valid is for promtool to say."""

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
    """Most alerts (or series) that one rule may give; 0 for any number."""
    rules: tuple[Rule, ...]
    keys: frozenset[str] = frozenset()
    """Everything it says of itself."""

    def recorded_after(self, number: int) -> set[str]:
        """Names that its rule of this number (from 0) finds as the evaluation before left them: recorded after it, and not before."""
        before = {one.name for one in self.rules[:number]} | {self.rules[number].name}
        return {one.name for one in self.rules[number + 1 :] if not one.is_alert} - before


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong."""

    place: str
    """`file:line`; the file alone where it cannot be read at all."""
    text: str
    rule: Rule | None = None
    """The rule that Prometheus refuses for it; None where there is none to speak of, or the file as a whole is wrong."""


@dataclass(frozen=True, slots=True)
class Sifted:
    """What there is in a rule file, and what is wrong with the rest of it."""

    groups: tuple[Group, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    text: str | None = None
    """The file's, with null in place of what is wrong, which Prometheus passes over, and all else on its line; None if all is wrong."""


def read(file: Path) -> tuple[Group, ...]:
    """The groups of a rule file.

    Raises:
        BadInput: it cannot be read, is no rule file, or something in it is wrong; the message names the file and the line.
    """
    found = sift(file)
    for mistake in found.mistakes:
        raise BadInput(f"{mistake.place}: {mistake.text}")
    return found.groups


def sift(file: Path) -> Sifted:
    """The groups and rules of a file that can be read, and a mistake for each that cannot, or for the file if that is no YAML."""
    try:
        return sifted(file.read_text(), str(file))
    except OSError as error:
        text = f"{error.strerror}; expected a Prometheus rule file"
    except UnicodeDecodeError:
        text = "no text; expected a Prometheus rule file"
    except BadInput as error:
        return Sifted(mistakes=(Mistake(*yaml_document.placed(str(file), error)),))
    return Sifted(mistakes=(Mistake(str(file), text),))


def sifted(text: str, file: str) -> Sifted:
    """The same of a file's text.

    Raises:
        BadInput: it is no rule file; the message has the line.
    """
    sieve = _Sieve(file)
    groups = tuple(sieve.groups(yaml_document.read(text, "a Prometheus rule file")))
    mistakes = tuple(
        Mistake(*yaml_document.placed(file, error)) for error in sieve.refused.values()
    )
    return Sifted(
        groups, mistakes, yaml_document.emptied(text, sieve.refused) if mistakes else text
    )


def need_sound(found: Any) -> None:
    """Raises BadInput, with the line, if a parsed file is no rule file or something in it is wrong."""
    sieve = _Sieve("")
    list(sieve.groups(found))
    for error in sieve.refused.values():
        raise error


class _Sieve:
    """Reads what can be read, and notes the place of what cannot."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.refused: dict[tuple[str | int, ...], BadInput] = {}

    def groups(self, found: Any) -> Iterator[Group]:
        """Raises BadInput for what is no rule file."""
        _need_single_keys(found)
        # Nothing at all, and `groups:` without any, are rule files to Prometheus.
        listed = found.get("groups") or [] if "groups" in found or not found else None
        if not isinstance(listed, list):
            raise BadInput("line 1: no list of groups; expected a Prometheus rule file")
        for number, group in enumerate(listed):
            with self._noting("groups", number):
                yield self._group(group, _line_in(listed, number), number)

    def _group(self, group: Any, line: int, number: int) -> Group:
        if not isinstance(group, dict) or not group.get("name"):
            raise BadInput(f"line {line}: no group; expected a name and a list of rules")
        _need_single_keys(group)
        rules = group.get("rules") or []
        if not isinstance(rules, list):
            raise BadInput(f"line {_line_of(group, 'rules')}: rules: {rules} is no list")
        return Group(
            name=str(group["name"]),
            place=f"{self._file}:{line}",
            interval_ms=_duration(group, "interval") or None,
            limit=_number(group, "limit"),
            keys=frozenset(map(str, group)),
            rules=tuple(self._rules(rules, number)),
        )

    def _rules(self, listed: Any, group: int) -> Iterator[Rule]:
        for number, rule in enumerate(listed):
            with self._noting("groups", group, "rules", number):
                yield _rule(rule, _line_in(listed, number), self._file)

    @contextmanager
    def _noting(self, *place: str | int) -> Iterator[None]:
        try:
            yield
        except BadInput as error:
            self.refused[place] = error


def _rule(rule: Any, line: int, file: str) -> Rule:
    if not hasattr(rule, "keys") or "expr" not in rule or ("alert" in rule) == ("record" in rule):
        raise BadInput(f"line {line}: no rule; expected alert or record, and expr")
    for mapping in (rule, rule.get("labels"), rule.get("annotations")):
        _need_single_keys(mapping)
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


def _need_single_keys(mapping: Any) -> None:
    if repeated := yaml_document.repeated(mapping):
        raise BadInput(f"line {repeated[1]}: {repeated[0]}: is there twice")


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
        raise BadInput(
            f"line {_line_of(mapping, key)}: {key}: {found} is no whole number"
        ) from None


def _strings(rule: Any, key: str) -> dict[str, str]:
    found = rule.get(key) or {}
    if not isinstance(found, dict):
        raise BadInput(f"line {_line_of(rule, key)}: {key}: {found} is no mapping")
    return {str(name): str(value) for name, value in found.items() if value is not None}


def _line_of(mapping: Any, key: str) -> int:
    """Of a key's value; what a merge key (`<<`) brought has no line here, and the mapping's is given."""
    return int(mapping.lc.value(key)[0]) + 1 if key in mapping.lc.data else _line(mapping)


def _line(node: Any) -> int:
    return int(node.lc.line) + 1


def _line_in(listed: Any, number: int) -> int:
    """Of an item; a text and null have no line of their own."""
    return (
        _line(listed[number])
        if hasattr(listed[number], "lc")
        else int(listed.lc.item(number)[0]) + 1
    )
