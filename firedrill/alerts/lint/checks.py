"""The checks of `alerts check` over rule files: everything in one pass, each finding once.

`error`: Prometheus refuses the rule, or the alert cannot work. `warning`: it works, and probably
not as meant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firedrill.alerts.lint import (
    condition_checks,
    counter_checks,
    ignore_comments,
    known_series,
    label_checks,
    rule_checks,
)
from firedrill.alerts.lint.context import Context, Intervals
from firedrill.alerts.lint.finding import Finding
from firedrill.alerts.rules import expression, promtool, rule_file
from firedrill.contract import exported_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from firedrill.alerts.lint.finding import Problem
    from firedrill.alerts.lint.known_series import Inventory
    from firedrill.alerts.rules.promtool import CheckedFile
    from firedrill.alerts.rules.rule_file import Group, Mistake, Rule, RuleDocument

    Check = Callable[[Rule, Context], Iterator[Problem]]

PROMETHEUS_OWN_SERIES = frozenset({
    "up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_series_added",
    "scrape_samples_post_metric_relabeling", "ALERTS", "ALERTS_FOR_STATE",
    "prometheus_rule_group_iterations_missed_total", "prometheus_rule_evaluation_failures_total",
})  # fmt: skip
"""Series that Prometheus makes itself: for each scrape, each alert, and on its metrics endpoint."""
_GROUP_KEYS_OF_3 = ("labels", "query_offset")
"""Keys of a group that Prometheus 2.42 refuses, whatever a newer promtool says."""

OF_RULES: tuple[Check, ...] = (
    rule_checks.unusable_result,
    rule_checks.short_window,
    rule_checks.contradicting_labels,
    rule_checks.not_recorded,
    rule_checks.order,
    rule_checks.versions,
    label_checks.histogram_without_le,
    label_checks.no_shared_labels,
    counter_checks.rate_of_gauge,
    counter_checks.rate_of_sum,
)
OF_ALERTS: tuple[Check, ...] = (
    label_checks.value_in_label,
    label_checks.template_label,
    rule_checks.severity,
    rule_checks.missing_annotations,
    rule_checks.short_for,
    rule_checks.constant,
    rule_checks.never,
    rule_checks.bool_comparison,
    condition_checks.no_threshold,
    condition_checks.absent_regex,
    condition_checks.zero_division,
    condition_checks.keep_firing_for,
    counter_checks.increase_equals,
    counter_checks.raw_counter,
)


@dataclass(frozen=True, slots=True)
class LintReport:
    """The findings in files that are loaded together."""

    findings: tuple[Finding, ...] = ()
    unknown: tuple[str, ...] = ()
    """Names that rules read, and that neither the bundle exports nor these files record."""
    rules: int = 0
    sources: Mapping[str, str] = field(default_factory=dict)
    """The text of each file."""


def check(
    file: Path, inventory: Inventory | None = None, beside: Iterable[Path] = ()
) -> list[Finding]:
    """Check a rule file and return the findings in order of the lines.

    Args:
        file: The rule file.
        inventory: The series that exist; None if nobody said.
        beside: Rule files that are loaded with it, and may record what it reads.

    Raises:
        Missing: there is no promtool.
    """
    return list(check_all([file], inventory, beside=beside).findings)


def check_all(
    files: Sequence[Path],
    inventory: Inventory | None = None,
    intervals: Intervals | None = None,
    beside: Iterable[Path] = (),
) -> LintReport:
    """Check rule files that are loaded together.

    Args:
        files: The rule files.
        inventory: The series that exist; None if nobody said.
        intervals: How often Prometheus scrapes and evaluates; None for a drill's.
        beside: Further files that are loaded with them, and are not checked.

    Raises:
        Missing: there is no promtool.
    """
    checked = promtool.check_files(files)
    others = [rule_file.read_tolerantly(file) for file in beside if file not in files]
    recorded = _recordings([*(item.parsed for item in checked), *others])
    lint = _Lint(inventory, intervals or Intervals(), recorded)
    findings = tuple(finding for item in checked for finding in lint.check(item))
    return LintReport(
        findings=(*findings, *lint.missing(checked)),
        unknown=() if inventory else tuple(sorted(lint.unknown(checked))),
        rules=sum(len(group.rules) for item in checked for group in item.parsed.groups),
        sources={str(item.file): item.parsed.source for item in checked},
    )


def _recordings(files: Iterable[rule_file.ParsedRuleFile]) -> dict[str, list[Rule]]:
    recorded: dict[str, list[Rule]] = {}
    for parsed in files:
        for group in parsed.groups:
            for rule in group.rules:
                if not rule.is_alert:
                    recorded.setdefault(rule.name, []).append(rule)
    return recorded


class _Lint:
    def __init__(
        self,
        inventory: Inventory | None,
        intervals: Intervals,
        recorded: Mapping[str, Sequence[Rule]],
    ) -> None:
        self._inventory, self._intervals, self._recorded = inventory, intervals, recorded

    def check(self, checked: CheckedFile) -> list[Finding]:
        """Return the findings in one file, except for series that do not exist."""
        parsed = checked.parsed
        lines = parsed.source.splitlines()
        findings = [_of_mistake(mistake, checked, lines) for mistake in checked.mistakes]
        findings += [
            Finding(note.place, "warning", "documents", note.text).located(lines, None, None)
            for note in parsed.notes
        ]
        for document in parsed.documents:
            findings += (item.located(lines, None, None) for item in _of_document(document))
            for group in document.groups:
                findings += (item.located(lines, None, None) for item in _group_keys(group))
                for index, rule in enumerate(group.rules):
                    findings += self._of_rule(group, index, rule, lines)
        unique = sorted(dict.fromkeys(findings), key=lambda finding: finding.line)
        return ignore_comments.apply(unique, parsed, str(checked.file))

    def _of_rule(
        self, group: Group, index: int, rule: Rule, lines: Sequence[str]
    ) -> Iterator[Finding]:
        kinds = self._inventory.kinds if self._inventory else {}
        context = Context(group, index, self._intervals, self._recorded, self._inventory, kinds)
        for check_rule in (*OF_RULES, *(OF_ALERTS if rule.is_alert else ())):
            for problem in check_rule(rule, context):
                place = rule.expr_place if problem.part else rule.place
                text = f"{rule.name}: {problem.text}"
                finding = Finding(place, problem.severity, problem.check, text)
                yield finding.located(lines, rule, problem.part)

    # -- series that do not exist

    def unknown(self, checked: Iterable[CheckedFile]) -> dict[str, list[Rule]]:
        """Return the rules by each name that they read, and that nothing known has."""
        names = self._inventory.names if self._inventory else exported_series() | _bundle_records()
        known = {*names, *PROMETHEUS_OWN_SERIES, *self._recorded, ""}
        readers: dict[str, list[Rule]] = {}
        for item in checked:
            for group in item.parsed.groups:
                for rule in group.rules:
                    for name in dict.fromkeys(
                        selector.name for selector in expression.selectors(rule.expr)
                    ):
                        if name not in known:
                            readers.setdefault(name, []).append(rule)
        return readers

    def missing(self, checked: Sequence[CheckedFile]) -> Iterator[Finding]:
        """Yield a finding for each name that does not exist, at its first reader."""
        if not self._inventory:
            return
        lines = {str(item.file): item.parsed.source.splitlines() for item in checked}
        for name, rules in self.unknown(checked).items():
            others = f" (and {len(rules) - 1} more)" if rules[1:] else ""
            text = (
                f"{rules[0].name}{others}: {self._inventory.where} has no {name}; check the"
                " spelling, or the rule that should record it"
            )
            finding = Finding(rules[0].expr_place, "warning", "unknown_metric", text)
            yield finding.located(lines[finding.file], rules[0], name)


def _bundle_records() -> frozenset[str]:
    return known_series.recorded_names()


def _of_mistake(mistake: Mistake, checked: CheckedFile, lines: Sequence[str]) -> Finding:
    is_own = mistake in checked.parsed.mistakes
    name = "file" if is_own or mistake.rule is None else "promtool"
    finding = Finding(mistake.place, "error", name, mistake.text)
    return finding.located(lines, mistake.rule, _part_of(mistake))


def _part_of(mistake: Mistake) -> str | None:
    """Return the rest of the expression's line from the column that promtool names."""
    if mistake.rule is None or mistake.column is None:
        return None
    lines = mistake.rule.expr.splitlines()
    first = int(mistake.rule.expr_place.rpartition(":")[2])
    number = max(int(mistake.place.rpartition(":")[2]) - first - 1, 0)
    line = lines[number] if number < len(lines) else ""
    return line[mistake.column - 1 :].strip() or line.strip() or None


def _of_document(document: RuleDocument) -> Iterator[Finding]:
    """Yield a finding for each rule with the name and the labels of an earlier one."""
    first: dict[tuple[str, tuple[tuple[str, str], ...]], Rule] = {}
    for group in document.groups:
        for rule in group.rules:
            key = rule.name, tuple(sorted(rule.labels.items()))
            earlier = first.setdefault(key, rule)
            if earlier is not rule:
                what = "alert" if rule.is_alert else "record"
                line = earlier.place.rpartition(":")[2]
                text = (
                    f"{rule.name}: line {line} has the same {what} with the same labels, so their"
                    " series are one; give one of them another label or remove it"
                )
                yield Finding(rule.place, "warning", "duplicate", text)


def _group_keys(group: Group) -> Iterator[Finding]:
    for key in _GROUP_KEYS_OF_3:
        if key in group.keys:
            said = f"group {group.name}: Prometheus 2.42 knows no {key}, and refuses the file"
            yield Finding(group.place, "warning", "versions", said)
