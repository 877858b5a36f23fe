"""What promtool says against a rule file, mistake by mistake."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill.stack import programs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from firedrill.alerts.rulefile import Group, Rule

_SAID = re.compile(r'(?:\d+:\d+: )?group "(?P<group>.*?)", rule (?P<number>\d+), ".*?": (?P<text>.*)')


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
    said = [line.strip().removeprefix(f"{file}: ") for line in checked.stderr.splitlines() if line.strip() and "FAILED" not in line]
    return [_mistake(line, file, groups) for line in said] if checked.returncode else []


def _mistake(line: str, file: Path, groups: Sequence[Group]) -> Mistake:
    found = _SAID.match(line)
    group = next((group for group in groups if found and group.name == found["group"]), None)
    if not found or not group:
        return Mistake(f"{file}:1", line, None)
    rule = group.rules[int(found["number"]) - 1]
    return Mistake(rule.expr_place if "expression" in found["text"] else rule.place, f"{rule.name}: {found['text']}", rule)
