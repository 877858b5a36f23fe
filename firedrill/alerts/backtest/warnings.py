"""What a replay shows less of than its reader may think, as sentences. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill import units
from firedrill.alerts.backtest import attribution_window
from firedrill.alerts.replay import evaluation_order
from firedrill.alerts.rules import dependencies

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from firedrill.alerts.rules.rule_file import Group, Rule

MOST_LISTED = 4
"""Names in a sentence."""
WRITTEN_BY_ALERTS = {"ALERTS", "ALERTS_FOR_STATE"}


def of_groups(
    groups: Sequence[Group],
    judged: Collection[str],
    names: Collection[str],
    seconds: float,
    stretch: int,
) -> Iterator[str]:
    """All of them.

    Args:
        groups: What is replayed.
        judged: Names of the alerts that are asked for.
        names: Names of the series that there are, recorded ones included.
        seconds: How long the replayed time is.
        stretch: How many of these seconds one of the run's became.
    """
    alerts = [
        rule for group in groups for rule in group.rules if rule.is_alert and rule.name in judged
    ]
    yield from _unrecorded(groups, alerts, names)
    for rule in alerts:
        if evaluation_order.reads(rule) & WRITTEN_BY_ALERTS:
            yield f"{rule.place}: {rule.name} reads what the alerts of the run wrote, and not what these would have"
    far = [
        rule.name
        for rule, reach_ms in attribution_window.with_reaches(groups)
        if rule in alerts and max(reach_ms, rule.hold_ms) / 1000 > seconds
    ]
    if far:
        advice = "" if stretch > 1 else " (production rules: --stretch)"
        yield f"shorter than these look back or wait is the run of {units.seconds(seconds)}{advice}: {_listed(far)}"


def never_evaluated(group: Group, interval_ms: int) -> str:
    """Of a group whose interval is longer than the run."""
    return f"{group.place}: group {group.name} is evaluated every {units.seconds(interval_ms / 1000)}, and never in this run"


def failures(rule: Rule, evaluations: int, first_after: float, why: str, number: int) -> str:
    """Of a rule some of whose evaluations fail."""
    return f"{rule.expr_place}: {rule.name}: {number} of {evaluations} evaluations fail, the first after {first_after:.1f} s: {why}"


def of_versions(recorded: str, replayed: str) -> Iterator[str]:
    """Of the Prometheus that wrote a run's alerts and the one that replays them: a range holds the sample at its beginning in 2.x alone."""
    if recorded and recorded.partition(".")[0] != replayed.partition(".")[0]:
        yield (
            f"recorded by Prometheus {recorded} and replayed by {replayed}, which disagree on the first sample of a range: what differs for"
            f" that is not marked; put the recording one on PATH"
        )


def unasked(rules: Sequence[Rule]) -> Iterator[str]:
    """Of alerts that are ambiguous as a whole, because too much was under way."""
    if rules:
        yield (
            f"ambiguous from the first evaluation on that something was under way at, as there were too many such to look into each: "
            f"{_listed(rule.name for rule in rules)}"
        )


def _unrecorded(
    groups: Sequence[Group], alerts: Sequence[Rule], names: Collection[str]
) -> Iterator[str]:
    records = dependencies.records(rule for group in groups for rule in group.rules)
    missing: dict[str, list[str]] = {}
    for alert in alerts:
        for name in sorted(
            {name for name, _ in dependencies.read(alert.expr, records)}
            - {*names, *records, *WRITTEN_BY_ALERTS, ""}
        ):
            missing.setdefault(name, []).append(alert.name)
    if missing:
        yield f"nothing was recorded of {', '.join(f'{name} ({_listed(readers)})' for name, readers in missing.items())}"


def _listed(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    return ", ".join(found[:MOST_LISTED]) + (
        f" and {len(found) - MOST_LISTED} more" if found[MOST_LISTED:] else ""
    )
