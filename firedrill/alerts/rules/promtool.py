"""`promtool check rules`: each mistake that it finds, with the line of the rule file."""

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

_IN_RULE = re.compile(
    r'(?:\d+:\d+: )*group "(?P<group>.*?)", rule (?P<number>\d+), ".*?": (?P<text>.*)'
)
_IN_FILE = re.compile(r"(?:yaml: )?(?:line )?(?P<line>[1-9]\d*)(?::\d+)?: (?P<text>.*)")
"""A mistake outside the rules: in YAML, a key, or a group's name."""
_HEADINGS = ("FAILED:", "unmarshal errors:")


def check_file(file: Path) -> tuple[tuple[Group, ...], list[Mistake]]:
    """Return the groups of a rule file, and every mistake in it.

    The valid rules of a broken file are returned as well, so that they can be judged.

    Raises:
        Missing: there is no promtool.
    """
    parsed = rule_file.read_tolerantly(file)
    if not parsed.mistakes:
        return parsed.groups, _run(file, file, parsed.groups)
    if parsed.text is None:
        return (), list(parsed.mistakes)
    # Given the broken file, promtool would name one mistake and stop.
    with tempfile.TemporaryDirectory(prefix="firedrill-") as folder:
        valid = Path(folder) / "rules.yml"
        valid.write_text(parsed.text)
        return parsed.groups, [*parsed.mistakes, *_run(valid, file, parsed.groups)]


def first_mistake(file: Path) -> str | None:
    """Return the first mistake in a file with its place; None if Prometheus loads the file.

    Raises:
        Missing: there is no promtool.
    """
    parsed = rule_file.read_tolerantly(file)
    # Prometheus loads some files that we cannot read, such as two documents in one.
    mistakes = _run(file, file, ()) if parsed.text is None else check_file(file)[1]
    return next((f"{mistake.place}: {mistake.text}" for mistake in mistakes), None)


def _run(checked: Path, file: Path, groups: Sequence[Group]) -> list[Mistake]:
    """Run promtool on `checked`; place its findings in `file`."""
    done = command.run([programs.need("promtool"), "check", "rules", checked])
    if not done.returncode:
        return []
    lines = [line.strip().removeprefix(f"{checked}: ") for line in done.stderr.splitlines()]
    findings = dict.fromkeys(line for line in lines if line and not line.endswith(_HEADINGS))
    return [_mistake(line, file, groups) for line in findings or ["promtool refuses it"]]


def _mistake(line: str, file: Path, groups: Sequence[Group]) -> Mistake:
    match = _IN_RULE.match(line)
    group = next((group for group in groups if match and group.name == match["group"]), None)
    if match and group:
        rule, text = group.rules[int(match["number"]) - 1], match["text"]
        place = _place_in_expression(rule, text) if "expression" in text else rule.place
        return Mistake(place, f"{rule.name}: {text}", rule)
    if in_file := _IN_FILE.match(line):
        return Mistake(f"{file}:{in_file['line']}", in_file["text"])
    return Mistake(f"{file}:1", line)


def _place_in_expression(rule: Rule, text: str) -> str:
    """Return `file:line` within an expression; a block (`expr: |`) begins below its key."""
    file, _, line = rule.expr_place.rpartition(":")
    match = re.search(r"expression: (\d+):", text)
    return f"{file}:{int(line) + int(match[1])}" if match and int(match[1]) > 1 else rule.expr_place
