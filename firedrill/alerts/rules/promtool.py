"""What promtool says against a rule file, mistake by mistake."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from firedrill.alerts.rules import rule_file
from firedrill.alerts.rules.rule_file import Mistake
from firedrill.processes import command, programs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.alerts.rules.rule_file import Group, Rule

_SAID = re.compile(
    r'(?:\d+:\d+: )*group "(?P<group>.*?)", rule (?P<number>\d+), ".*?": (?P<text>.*)'
)
_OF_FILE = re.compile(r"(?:yaml: )?(?:line )?(?P<line>[1-9]\d*)(?::\d+)?: (?P<text>.*)")
"""What is wrong beside the rules: YAML, a key, a group's name."""
_HEADINGS = ("FAILED:", "unmarshal errors:")


def examined(file: Path) -> tuple[tuple[Group, ...], list[Mistake]]:
    """The groups of a file, and everything that is wrong with it. No file is too broken for the rest of it to be judged.

    Raises:
        Missing: there is no promtool.
    """
    found = rule_file.sift(file)
    if not found.mistakes:
        return found.groups, _said(file, file, found.groups)
    if found.text is None:
        return (), list(found.mistakes)
    # Of what is not as it should be promtool would name one thing alone, and none of the others' mistakes.
    with tempfile.TemporaryDirectory(prefix="firedrill-") as folder:
        rest = Path(folder) / "rules.yml"
        rest.write_text(found.text)
        return found.groups, [*found.mistakes, *_said(rest, file, found.groups)]


def first_mistake(file: Path) -> str | None:
    """The first thing wrong with a file, with its place; None if Prometheus loads it.

    Raises:
        Missing: there is no promtool.
    """
    found = rule_file.sift(file)
    # Prometheus takes some files that we cannot read, such as two documents in one.
    mistakes = _said(file, file, ()) if found.text is None else examined(file)[1]
    return next((f"{one.place}: {one.text}" for one in mistakes), None)


def _said(checked: Path, file: Path, groups: Sequence[Group]) -> list[Mistake]:
    """What promtool says against a file, placed in the one that was written."""
    done = command.run([programs.need("promtool"), "check", "rules", checked])
    said = [
        line.strip().removeprefix(f"{checked}: ")
        for line in done.stderr.splitlines()
        if line.strip()
    ]
    found = [line for line in said if not line.endswith(_HEADINGS)]
    return (
        [_mistake(line, file, groups) for line in dict.fromkeys(found) or ["promtool refuses it"]]
        if done.returncode
        else []
    )


def _mistake(line: str, file: Path, groups: Sequence[Group]) -> Mistake:
    found = _SAID.match(line)
    group = next((group for group in groups if found and group.name == found["group"]), None)
    if not found or not group:
        placed = _OF_FILE.match(line)
        return (
            Mistake(f"{file}:{placed['line']}", placed["text"], None)
            if placed
            else Mistake(f"{file}:1", line, None)
        )
    rule = group.rules[int(found["number"]) - 1]
    place = _in_expression(rule, found["text"]) if "expression" in found["text"] else rule.place
    return Mistake(place, f"{rule.name}: {found['text']}", rule)


def _in_expression(rule: Rule, text: str) -> str:
    """The line that is meant of an expression; one of several lines begins below its key (`expr: |`)."""
    file, _, line = rule.expr_place.rpartition(":")
    found = re.search(r"expression: (\d+):", text)
    return f"{file}:{int(line) + int(found[1])}" if found and int(found[1]) > 1 else rule.expr_place
