"""Findings as people and programs read them: text, GitHub annotations, SARIF, JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firedrill import __version__
from firedrill.alerts.lint import catalog

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from firedrill.alerts.lint.finding import Finding

FORMATS = ("text", "github", "sarif", "json")
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
WIDEST_LINE = 160
"""Characters of a line of the file that are shown."""


def render(findings: Sequence[Finding], form: str) -> str:
    """Return the findings in one of `FORMATS`; empty if there is nothing to print."""
    if form == "json":
        return json.dumps([asdict(finding) for finding in findings], indent=2)
    if form == "sarif":
        return json.dumps(_sarif(findings), indent=2)
    render_one = _github if form == "github" else _text
    return "\n".join(render_one(finding) for finding in findings)


def _text(finding: Finding) -> str:
    """Return a line, and below it the line of the file with a mark under the part."""
    head = f"{finding.place}: {finding.severity}: {finding.text} [{finding.check}]"
    if not finding.column:
        return head
    indent = len(finding.line_text) - len(finding.line_text.lstrip())
    line = finding.line_text.strip()
    start = finding.column - 1 - indent
    if start + finding.width > WIDEST_LINE:
        cut = max(0, start - WIDEST_LINE // 2)
        line, start = line[cut : cut + WIDEST_LINE], start - cut
    width = max(1, min(finding.width, len(line) - start))
    blanks = "".join("\t" if letter == "\t" else " " for letter in line[:start])
    return f"{head}\n    {line}\n    {blanks}{'^' * width}"


def _github(finding: Finding) -> str:
    """Return a workflow command, which GitHub shows beside the line."""
    properties = {"file": finding.file, "title": finding.check}
    if finding.line:
        properties["line"] = str(finding.line)
    if finding.column:
        properties["col"] = str(finding.column)
        properties["endColumn"] = str(finding.column + finding.width)
    listed = ",".join(
        f"{name}={_escaped(value).replace(':', '%3A').replace(',', '%2C')}"
        for name, value in properties.items()
    )
    return f"::{finding.severity} {listed}::{_escaped(finding.text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    names = list(dict.fromkeys(finding.check for finding in findings))
    driver = {
        "name": "firedrill",
        "semanticVersion": __version__,
        "rules": [_sarif_rule(catalog.BY_NAME[name]) for name in names],
    }
    results = [
        {
            "ruleId": finding.check,
            "ruleIndex": names.index(finding.check),
            "level": finding.severity,
            "message": {"text": finding.text},
            "locations": [{"physicalLocation": _sarif_place(finding)}],
        }
        for finding in findings
    ]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _sarif_rule(entry: catalog.Entry) -> dict[str, Any]:
    return {
        "id": entry.name,
        "shortDescription": {"text": entry.finds.split(". ")[0].removesuffix(".") + "."},
        "fullDescription": {"text": entry.finds},
        "help": {"text": entry.finds, "markdown": catalog.page(entry)},
        "defaultConfiguration": {"level": entry.severity},
    }


def _sarif_place(finding: Finding) -> dict[str, Any]:
    file = Path(finding.file)
    uri = file.as_uri() if file.is_absolute() else file.as_posix()
    place: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if finding.line:
        region = {"startLine": finding.line}
        if finding.column:
            region["startColumn"] = finding.column
            region["endColumn"] = finding.column + finding.width
        place["region"] = region
    return place


def unknown_names(names: Iterable[str], listed: int = 4) -> str:
    """Return one line about names that nothing known has; empty without any."""
    every = list(names)
    if not every:
        return ""
    more = f" and {len(every) - listed} more" if len(every) > listed else ""
    return (
        f"{len(every)} metric {'name' if len(every) == 1 else 'names'} unknown to the bundle:"
        f" {', '.join(every[:listed])}{more}; look them up with --run or --prometheus"
    )
