"""Warnings about what a backtest cannot see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill import units
from firedrill.alerts.replay import evaluation_order
from firedrill.alerts.rules import dependencies

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from firedrill.alerts.replay.environment import RuleFailures
    from firedrill.alerts.rules.rule_file import Group, Rule

MAX_NAMES = 4
"""Names that a sentence lists."""
WRITTEN_BY_ALERTS = {"ALERTS", "ALERTS_FOR_STATE"}


def about_rules(
    groups: Sequence[Group],
    judged: Collection[str],
    names: Collection[str],
    seconds: float,
    stretch: int,
) -> Iterator[str]:
    """Yield warnings about what the rules read, and how far back.

    Args:
        groups: The groups that are replayed.
        judged: Names of the alerts that are judged.
        names: Names of all series, recorded ones included.
        seconds: The length of the load in replayed time.
        stretch: How many seconds one of the run's was stretched to.
    """
    alerts = [
        rule for group in groups for rule in group.rules if rule.is_alert and rule.name in judged
    ]
    yield from _unrecorded(groups, alerts, names)
    for rule in alerts:
        if evaluation_order.reads(rule) & WRITTEN_BY_ALERTS:
            yield (
                f"{rule.place}: {rule.name} reads ALERTS as the run's own rules wrote it, not as"
                " these rules would; play a drill with --rules to judge it"
            )
    too_long = [
        rule.name
        for rule, look_back_ms in dependencies.alerts_with_look_back(groups)
        if rule in alerts and max(look_back_ms, rule.hold_ms) / 1000 > seconds
    ]
    if too_long:
        advice = (
            "play a longer run"
            if stretch > 1
            else "replay production rules with --stretch 12, or play a longer run"
        )
        yield (
            f"the load lasts {units.seconds(seconds)}, less than a window or `for` of"
            f" {_listed(too_long)}, so they may not fire in it; {advice}"
        )


def _unrecorded(
    groups: Sequence[Group], alerts: Sequence[Rule], names: Collection[str]
) -> Iterator[str]:
    recorded = dependencies.recordings(rule for group in groups for rule in group.rules)
    known = {*names, *recorded, *WRITTEN_BY_ALERTS, ""}
    readers: dict[str, list[str]] = {}
    for alert in alerts:
        read = {name for name, _ in dependencies.series_read(alert.expr, recorded)}
        for name in sorted(read - known):
            readers.setdefault(name, []).append(alert.name)
    if readers:
        listed = _listed(f"{name} ({_listed(alerts)})" for name, alerts in readers.items())
        yield f"nothing was recorded of {listed}; check the name, or record it with --scrape"


def gap(earlier_ms: int, later_ms: int, start: float) -> str:
    """Return a warning about a time without scrapes; `start` is the load's, in Unix seconds."""
    return (
        f"nothing was scraped for {(later_ms - earlier_ms) / 1000:.0f} s,"
        f" {earlier_ms / 1000 - start:.0f} s after the load began; no alert saw new samples then"
    )


def never_evaluated(group: Group, interval_ms: int) -> str:
    """Return a warning about a group whose interval is longer than the run."""
    return (
        f"{group.place}: group {group.name} is evaluated every {units.seconds(interval_ms / 1000)},"
        " and never in this run; play a longer run, or replay it with --stretch"
    )


def failures(failed: RuleFailures) -> str:
    """Return a warning about a rule whose evaluations fail."""
    return (
        f"{failed.rule.expr_place}: {failed.rule.name}: {failed.failed} of {failed.evaluations}"
        f" evaluations fail, the first after {failed.first_after_seconds:.1f} s: {failed.reason}"
    )


def other_version(recorded: str, replayed: str) -> Iterator[str]:
    """Yield a warning if another major version of Prometheus recorded the run.

    Only 2.x takes the sample at the beginning of a range into it.
    """
    if recorded and recorded.partition(".")[0] != replayed.partition(".")[0]:
        yield (
            f"recorded by Prometheus {recorded} and replayed by {replayed}, which disagree on the"
            " first sample of a range, so results may differ without being marked ambiguous; put"
            f" Prometheus {recorded} first on PATH"
        )


def not_queried(rules: Sequence[Rule]) -> Iterator[str]:
    """Yield a warning about alerts that are ambiguous because they need too many queries."""
    if rules:
        yield (
            "too many evaluations fell into scrapes to look into each, so all from the first one"
            f" on count as ambiguous: {_listed(rule.name for rule in rules)}; judge them one by one"
            " with --alert"
        )


def _listed(names: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(names))
    listed, more = ", ".join(distinct[:MAX_NAMES]), len(distinct) - MAX_NAMES
    return f"{listed} and {more} more" if more > 0 else listed
