"""Comments `# firedrill: ignore CHECK reason`, which leave findings out of the report.

In a rule, or on the lines right above it, such a comment is about the rule. Above the rules of a
group it is about the group, and above all groups about the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill.alerts.lint import catalog
from firedrill.alerts.lint.finding import Finding
from firedrill.profile_form import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firedrill.alerts.rules.rule_file import ParsedRuleFile

_COMMENT = re.compile(r"#\s*firedrill:\s*ignore\b[ \t]*(?P<check>[^\s#]*)[ \t]*(?P<reason>[^\n]*)")
NEVER_IGNORED = frozenset({"file", "promtool", "ignore"})
"""Checks of what Prometheus refuses."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """The lines that a comment is about."""

    check: str
    first: int
    last: int


def apply(findings: Sequence[Finding], parsed: ParsedRuleFile, file: str) -> list[Finding]:
    """Return the findings that no comment leaves out, and those about the comments."""
    lines = parsed.source.splitlines()
    comments = [
        (number, match)
        for number, line in enumerate(lines, start=1)
        if (match := _COMMENT.search(line))
    ]
    if not comments:
        return list(findings)
    scopes = [
        _Scope(match["check"], *_lines_about(number, parsed, lines)) for number, match in comments
    ]
    kept = [
        finding
        for finding in findings
        if finding.check in NEVER_IGNORED
        or not any(
            scope.check == finding.check and scope.first <= finding.line <= scope.last
            for scope in scopes
        )
    ]
    wrong = (
        Finding(f"{file}:{number}", "warning", "ignore", text).located(lines, None, None)
        for number, match in comments
        for text in _mistakes(match)
    )
    return sorted([*kept, *wrong], key=lambda finding: finding.line)


def _mistakes(match: re.Match[str]) -> Iterator[str]:
    check = match["check"]
    if check not in catalog.BY_NAME or check in NEVER_IGNORED:
        guess = nearest(check, sorted(catalog.BY_NAME))
        yield f"ignore {check}: is no check that can be ignored; expected its name{guess}"
    elif not match["reason"].strip():
        yield f"ignore {check}: no reason; expected `# firedrill: ignore {check} REASON`"


def _lines_about(number: int, parsed: ParsedRuleFile, lines: Sequence[str]) -> tuple[int, int]:
    """Return the first and the last line that a comment on a line is about."""
    groups = sorted((_line(group.place), group) for group in parsed.groups)
    rules = sorted(_line(rule.place) for _, group in groups for rule in group.rules)
    begins = [_begin(line, lines) for line in rules]
    ends = [*(begin - 1 for begin in begins[1:]), len(lines)]
    in_header = {
        line: min((rule for rule in rules if rule >= line), default=len(lines) + 1)
        for line, _ in groups
    }
    for line, first_rule in in_header.items():
        following = [other for other in in_header if other > line]
        if _begin(line, lines) <= number < _begin(first_rule, lines):
            return line, min(following, default=len(lines) + 1) - 1
    for begin, end in zip(begins, ends, strict=True):
        if begin <= number <= end:
            return begin, end
    return 1, len(lines)


def _begin(line: int, lines: Sequence[str]) -> int:
    """Return the first of the comment lines right above a line; the line without any."""
    while line > 1 and line - 2 < len(lines) and lines[line - 2].lstrip().startswith("#"):
        line -= 1
    return line


def _line(place: str) -> int:
    return int(place.rpartition(":")[2])
