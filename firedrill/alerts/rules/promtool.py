"""`promtool check rules`: each mistake that it finds, with the line of the rule file."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from firedrill.alerts.rules import rule_file, yaml_document
from firedrill.alerts.rules.rule_file import Mistake
from firedrill.processes import command, programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firedrill.alerts.rules.rule_file import Group, ParsedRuleFile, Rule, RuleDocument

_IN_RULE = re.compile(
    r'(?:\d+:\d+: )*group "(?P<group>.*?)", rule (?P<number>\d+), ".*?": (?P<text>.*)', re.DOTALL
)
_IN_FILE = re.compile(r"(?:yaml: )?(?:line )?(?P<line>[1-9]\d*)(?::\d+)?: (?P<text>.*)", re.DOTALL)
"""A mistake outside the rules: in YAML, a key, or a group's name."""
_HEADINGS = ("FAILED:", "unmarshal errors:")
_IN_EXPRESSION = re.compile(r"expression: (\d+):(\d+):")
_UNKNOWN_KEY = re.compile(r"field (?P<key>\S+) not found in type")
MAX_ROUNDS = 5
"""How often promtool is run on files in whose YAML it finds something new each time."""
FILES_AT_ONCE = 500
"""Files that one promtool gets."""


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A rule file, and every mistake in it."""

    file: Path
    parsed: ParsedRuleFile
    mistakes: tuple[Mistake, ...]


@dataclass(slots=True)
class _Checked:
    """A document that promtool checks, under the name of a temporary file."""

    file: Path
    document: RuleDocument
    text: str
    mistakes: list[Mistake] = field(default_factory=list)


def check_files(files: Sequence[Path]) -> list[CheckedFile]:
    """Return the groups of rule files, and every mistake in them; promtool runs once for all.

    The valid rules of a broken file are returned as well, so that they can be judged.

    Raises:
        Missing: there is no promtool.
    """
    parsed = [rule_file.read_tolerantly(file) for file in files]
    checked = [
        [_Checked(file, document, document.text) for document in read.documents]
        for file, read in zip(files, parsed, strict=True)
    ]
    pending = [document for documents in checked for document in documents]
    for _ in range(MAX_ROUNDS):
        batches = (pending[n : n + FILES_AT_ONCE] for n in range(0, len(pending), FILES_AT_ONCE))
        pending = [document for batch in batches for document in _run(batch)]
    return [
        CheckedFile(
            file, read, (*read.mistakes, *(item for part in documents for item in part.mistakes))
        )
        for file, read, documents in zip(files, parsed, checked, strict=True)
    ]


def check_file(file: Path) -> tuple[tuple[Group, ...], list[Mistake]]:
    """Return the groups of a rule file, and every mistake in it.

    Raises:
        Missing: there is no promtool.
    """
    (checked,) = check_files([file])
    return checked.parsed.groups, list(checked.mistakes)


def first_mistake(file: Path) -> str | None:
    """Return the first mistake in a file with its place; None if Prometheus loads its rules.

    Raises:
        Missing: there is no promtool.
    """
    _, mistakes = check_file(file)
    return next((f"{mistake.place}: {mistake.text}" for mistake in mistakes), None)


def _run(batch: Sequence[_Checked]) -> list[_Checked]:
    """Note promtool's findings; return the documents of which it did not read everything.

    A mistake in a file's YAML hides those in its rules, so it is taken out for another round.
    """
    if not batch:
        return []
    with tempfile.TemporaryDirectory(prefix="firedrill-") as folder:
        names = [Path(folder) / f"{number}.yml" for number in range(len(batch))]
        for name, document in zip(names, batch, strict=True):
            name.write_text(document.text)
        done = command.run([programs.need("promtool"), "check", "rules", "--lint=none", *names])
    if not done.returncode:
        return []
    by_file = dict(zip(map(str, names), batch, strict=True))
    findings = list(_findings(done.stderr, by_file))
    if not findings:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        batch[0].mistakes.append(Mistake(str(batch[0].file), f"promtool failed: {reason[0]}"))
    again = []
    for document, text in findings:
        mistake = _mistake(text, document)
        if mistake not in document.mistakes:
            document.mistakes.append(mistake)
        if mistake.rule is None and document not in again:
            again.append(document)
    return [document for document in again if _take_out(document)]


def _findings(printed: str, by_file: Mapping[str, _Checked]) -> Iterator[tuple[_Checked, str]]:
    """Yield each finding with its document; one of several lines goes on below its first."""
    current: _Checked | None = None
    lines: list[str] = []
    for line in printed.splitlines():
        name, _, rest = line.strip().partition(": ")
        is_new = name in by_file or line.startswith("  line ")
        if (is_new or line.strip() == _HEADINGS[0]) and current and lines:
            yield current, "\n".join(lines)
            lines = []
        current = by_file.get(name, current)
        text = rest if name in by_file else line.strip()
        if text and not text.endswith(_HEADINGS):
            lines.append(text)
    if current and lines:
        yield current, "\n".join(lines)


def _mistake(finding: str, document: _Checked) -> Mistake:
    match, file = _IN_RULE.match(finding), document.file
    groups = [group for group in document.document.groups if match and group.name == match["group"]]
    if match and groups and int(match["number"]) <= len(groups[0].rules):
        rule, text = groups[0].rules[int(match["number"]) - 1], match["text"]
        place = _place_in_expression(rule, text) if "expression" in text else rule.place
        position = _IN_EXPRESSION.search(text)
        column = int(position[2]) if position else None
        return Mistake(place, f"{rule.name}: {text}", rule, column)
    if in_file := _IN_FILE.match(finding):
        return Mistake(f"{file}:{in_file['line']}", in_file["text"])
    return Mistake(f"{file}:1", finding)


def _take_out(document: _Checked) -> bool:
    """Take what promtool could not read out of a document; return whether that changed it."""
    before = document.text
    for mistake in document.mistakes:
        line = mistake.place.rpartition(":")[2]
        if mistake.rule is None and line.isdecimal():
            key = _UNKNOWN_KEY.search(mistake.text)
            document.text = yaml_document.blank_out_line(
                document.text, int(line), key["key"] if key else None
            )
    return document.text != before


def _place_in_expression(rule: Rule, text: str) -> str:
    """Return `file:line` within an expression; a block (`expr: |`) begins below its key."""
    file, _, line = rule.expr_place.rpartition(":")
    match = _IN_EXPRESSION.search(text)
    return f"{file}:{int(line) + int(match[1])}" if match and int(match[1]) > 1 else rule.expr_place
