"""A finding of the lint, with its place in the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.alerts.rules.rule_file import Rule


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding of a check."""

    place: str
    """`file:line`; the file alone if it cannot be read."""
    severity: str
    """`error` or `warning`."""
    check: str
    """The name of the check, for programs."""
    text: str
    column: int | None = None
    """The first column of the part that it is about, counted from 1; None if it has none."""
    width: int = 0
    """How many columns the part has."""
    line_text: str = ""
    """The line of the file."""

    @property
    def file(self) -> str:
        """The file."""
        file, _, line = self.place.rpartition(":")
        return file if line.isdecimal() else self.place

    @property
    def line(self) -> int:
        """The line, counted from 1; 0 if the file cannot be read."""
        line = self.place.rpartition(":")[2]
        return int(line) if line.isdecimal() and self.file != self.place else 0

    def located(self, lines: Sequence[str], rule: Rule | None, part: str | None) -> Finding:
        """Return the finding with its column: that of a part of the expression if it is found.

        Args:
            lines: The lines of the file.
            rule: The rule that it is about.
            part: What to look for in the expression; None for a finding about the whole line.
        """
        if not 0 < self.line <= len(lines):
            return self
        line = self.line
        text = lines[line - 1]
        if rule and part:
            first = int(rule.expr_place.rpartition(":")[2])
            length = rule.expr.count("\n") + 2
            for number in range(first, min(first + length, len(lines) + 1)):
                if part in lines[number - 1]:
                    found = lines[number - 1]
                    return self._at(number, found, found.index(part) + 1, len(part))
        value = text.lstrip(" -")
        return self._at(line, text, len(text) - len(value) + 1, len(value.rstrip()))

    def _at(self, line: int, text: str, column: int, width: int) -> Finding:
        return replace(
            self, place=f"{self.file}:{line}", column=column, width=width, line_text=text
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding of a check about a rule, before it has its place."""

    severity: str
    check: str
    text: str
    part: str | None = None
    """The part of the expression that it is about."""


def warning(check: str, text: str, part: str | None = None) -> Problem:
    """Return a problem with a rule that works, and probably not as meant."""
    return Problem("warning", check, text, part)


def error(check: str, text: str, part: str | None = None) -> Problem:
    """Return a problem because of which a rule cannot work."""
    return Problem("error", check, text, part)
