"""A backtest as a person at a terminal reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from firedrill import units

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firedrill.alerts.backtest import Fired, Judged, Report, Trial
    from firedrill.alerts.truth import Detection


def of_report(report: Report) -> RenderableType:
    """Causes, a line an alert, every firing, the sweeps, and what could not be judged."""
    parts: list[RenderableType] = [
        Text(f"{report.run}, {report.stretch} seconds for one" if report.stretch > 1 else report.run, style="bold")
    ]
    parts += [Text(f" • {one.name} after {units.seconds(one.start)}, for {units.seconds(one.end - one.start)}") for one in report.causes]
    parts += [
        _alerts(report) if report.alerts else Text("\nno alert was judged\n"),
        *_firings(report),
        *(part for alert in report.alerts if alert.sweep for part in _sweep(alert)),
    ]
    parts += [Text(f" • {remark}") for remark in report.remarks]
    return Group(*parts)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _alerts(report: Report) -> Table:
    """Counts that are all 0 are left out."""
    counts = {
        "false\nfires": [alert.false_fires for alert in report.alerts],
        "evalu-\nations": [alert.evaluations for alert in report.alerts],
        "ambig-\nuous": [alert.ambiguous_evaluations for alert in report.alerts],
        "failed": [alert.failed_evaluations for alert in report.alerts],
    }
    shown = {name: numbers for name, numbers in counts.items() if any(numbers) or name == "false\nfires"}
    table = _table("alert", *(f"delay:\n{cause.name.replace(' ', chr(10), 1)}" for cause in report.causes), "for", *shown)
    for number, alert in enumerate(report.alerts):
        met = {(one.cause, one.began): one for one in alert.detections}
        delays = [_delay(met.get((cause.name, cause.start))) for cause in report.causes]
        name = f"{alert.name} ({alert.severity})" if alert.severity else alert.name
        table.add_row(name, *delays, units.seconds(alert.hold_seconds), *(str(numbers[number]) for numbers in shown.values()))
    return table


def _delay(one: Detection | None) -> str:
    """Nothing for a cause that does not concern the alert."""
    if one is None:
        return ""
    return "undecided" if one.undecided else units.seconds(one.delay_seconds)


def _firings(report: Report) -> Iterator[Text]:
    for alert in report.alerts:
        for one in alert.fired:
            if one.firing_after_seconds is not None:
                labels = f" {{{', '.join(f'{name}={value}' for name, value in one.labels.items())}}}" if one.labels else ""
                over = f"until {units.seconds(one.resolved_after_seconds)}" if one.resolved_after_seconds is not None else "to the end"
                said = f" • {alert.name}{labels} fired from {units.seconds(one.firing_after_seconds)} {over}"
                yield Text(f"{said}: {_why(one, report.load_seconds)}{', ambiguous' if one.ambiguous else ''}")


def _why(one: Fired, load_seconds: float) -> str:
    after = one.firing_after_seconds or 0.0
    unloaded = "since before the load" if after < 0 else "after the load" if after > load_seconds else None
    return unloaded or one.cause or "without a cause"


def _sweep(alert: Judged) -> tuple[Text, Table]:
    """Threshold by `for`: longest delay over the causes that were met, how many were, and false fires where there are any."""
    holds = sorted({trial.hold_seconds for trial in alert.sweep})
    table = _table("threshold", *(f"for {units.seconds(hold)}" for hold in holds))
    for threshold in dict.fromkeys(trial.threshold for trial in alert.sweep):
        row = {trial.hold_seconds: _trial(trial) for trial in alert.sweep if trial.threshold == threshold}
        table.add_row(units.NOTHING if threshold is None else f"{threshold:g}", *(row[hold] for hold in holds))
    return Text(f"\n{alert.name}: longest delay, causes met, +false fires"), table


def _trial(trial: Trial) -> str:
    met = [one.delay_seconds for one in trial.detections if one.delay_seconds is not None]
    false = f" +{trial.false_fires}" if trial.false_fires else ""
    return f"{units.seconds(max(met, default=None))} {len(met)}/{len(trial.detections)}{false}"
