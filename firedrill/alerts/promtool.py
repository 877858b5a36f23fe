"""What promtool says against a rule file, mistake by mistake."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill.alerts import rulefile
from firedrill.errors import BadInput
from firedrill.stack import programs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from firedrill.alerts.rulefile import Group, Rule

_SAID = re.compile(r'(?:\d+:\d+: )*group "(?P<group>.*?)", rule (?P<number>\d+), ".*?": (?P<text>.*)')
_OF_FILE = re.compile(r"(?:yaml: )?(?:line )?(?P<line>[1-9]\d*)(?::\d+)?: (?P<text>.*)")
"""What is wrong beside the rules: YAML, a key, a group's name."""
_HEADINGS = ("FAILED:", "unmarshal errors:")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that keeps Prometheus from loading a rule."""

    place: str
    """`file:line`."""
    text: str
    rule: Rule | None
    """None where the file as a whole is wrong."""


def mistakes(file: Path, groups: Sequence[Group]) -> list[Mistake]:
    """Everything promtool finds wrong with a file that holds these groups; no file is too broken for the rest of it to be judged.

    Raises:
        Missing: there is no promtool.
    """
    checked = subprocess.run([programs.need("promtool"), "check", "rules", file], capture_output=True, text=True, check=False)
    said = [line.strip().removeprefix(f"{file}: ") for line in checked.stderr.splitlines() if line.strip()]
    found = [line for line in said if not line.endswith(_HEADINGS)]
    return [_mistake(line, file, groups) for line in found or ["promtool refuses it"]] if checked.returncode else []


def first_mistake(file: Path) -> str | None:
    """The first thing wrong with a file, with its place; None if Prometheus loads it.

    Raises:
        Missing: there is no promtool.
    """
    try:
        groups = rulefile.read(file)
    except BadInput:
        groups = ()  # Prometheus takes some files that we do not, such as an empty one.
    return next((f"{one.place}: {one.text}" for one in mistakes(file, groups)), None)


def _mistake(line: str, file: Path, groups: Sequence[Group]) -> Mistake:
    found = _SAID.match(line)
    group = next((group for group in groups if found and group.name == found["group"]), None)
    if not found or not group:
        placed = _OF_FILE.match(line)
        return Mistake(f"{file}:{placed['line']}", placed["text"], None) if placed else Mistake(f"{file}:1", line, None)
    rule = group.rules[int(found["number"]) - 1]
    place = _in_expression(rule, found["text"]) if "expression" in found["text"] else rule.place
    return Mistake(place, f"{rule.name}: {found['text']}", rule)


def _in_expression(rule: Rule, text: str) -> str:
    """The line that is meant of an expression; one of several lines begins below its key (`expr: |`)."""
    file, _, line = rule.expr_place.rpartition(":")
    found = re.search(r"expression: (\d+):", text)
    return f"{file}:{int(line) + int(found[1])}" if found and int(found[1]) > 1 else rule.expr_place
