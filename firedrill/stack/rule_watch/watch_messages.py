"""The sentences that the rule watch prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.alerts.rules import durations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from firedrill.stack.rule_watch.staged_rules import RuleChange


def misnamed(file: Path) -> str:
    """Return the message about a rule file that Prometheus does not read."""
    return f"{file.name}: Prometheus does not read it; rename it so that it ends in .yml"


def rejected(file: Path, mistake: object) -> str:
    """Return the message about a file that is not valid and was not copied."""
    text = str(mistake)
    return f"{text if file.name in text else f'{file.name}: {text}'}; the old version stays loaded"


def rule_change(file: Path, change: RuleChange) -> Iterator[str]:
    """Yield the messages about the effect of an edit on alerts and recorded series."""
    if change.restarted:
        alerts = ", ".join(sorted(change.restarted))
        verb = "starts" if len(change.restarted) == 1 else "start"
        yield f"{file.name}: {alerts} {verb} again, without the pending time of the old rule"
    for record in sorted(change.records):
        yield f"{file.name}: {record} is recorded by the new rule; its older samples stay"
    for alert, back_ms in sorted(change.look_back_ms.items()):
        if back_ms:
            back = durations.format_ms(back_ms)
            yield f"{file.name}: {alert} still reads samples of the old recording rule, for {back}"


def up_to_date(into: Path, source: Path) -> str:
    """Return the message after all programs have reloaded."""
    return f"{into} is up to date with {source}"


def reloaded(url: str) -> str:
    """Return the message about a program that has reloaded."""
    return f"{url} reloaded"


def refused(url: str, reason: str) -> str:
    """Return the message about a program that refused to reload."""
    return f"{url} refused to reload and keeps its old configuration: {reason}"


def no_answer(url: str) -> str:
    """Return the message about a program that does not answer."""
    return f"{url} does not answer; it is asked again until it reloads"
