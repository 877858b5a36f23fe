"""A backtest as a person at a terminal reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from firedrill import units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions

    from firedrill.alerts.backtest.attribution import Detection
    from firedrill.alerts.backtest.backtest import Fired, Judged, Report, Trial


GAP = 2
"""Cells between two columns, and at both sides of a table together."""


@dataclass(slots=True)
class Columns:
    """A table that stays whole: columns for which there is no room stand below the others, beside the first one again."""

    heads: Sequence[str]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[Table]:
        first, *widths = (
            GAP + max(cell_len(line) for text in column for line in text.split("\n"))
            for column in self._columns()
        )
        block: list[int] = []
        for number, width in enumerate(widths, start=1):
            if (
                block
                and first + width + sum(widths[other - 1] for other in block) > options.max_width
            ):
                yield self._table(block)
                block = []
            block.append(number)
        yield self._table(block)

    def _columns(self) -> Iterator[tuple[str, ...]]:
        return zip(self.heads, *self.rows, strict=True)

    def _table(self, block: Sequence[int]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column(self.heads[0], overflow="fold")
        for number in block:
            table.add_column(self.heads[number], justify="right", no_wrap=True)
        for row in self.rows:
            table.add_row(row[0], *(row[number] for number in block))
        return table


def of_report(report: Report) -> RenderableType:
    """Causes, a line an alert, every firing, the sweeps, and what could not be judged."""
    parts: list[RenderableType] = [
        Text(
            f"{report.run}, {report.stretch} seconds for one" if report.stretch > 1 else report.run,
            style="bold",
        )
    ]
    parts += [
        Text(
            f" • {one.name} after {units.seconds(one.start)}, for {units.seconds(one.end - one.start)}"
        )
        for one in report.causes
    ]
    parts += [
        _alerts(report) if report.alerts else Text("\nno alert was judged\n"),
        *_firings(report),
        *(part for alert in report.alerts if alert.sweep for part in _sweep(alert)),
    ]
    parts += [Text(f" • {remark}") for remark in report.remarks]
    return Group(*parts)


def _alerts(report: Report) -> Columns:
    """Counts that are all 0 are left out."""
    counts = {
        "false\nfires": [alert.false_fires for alert in report.alerts],
        "evalu-\nations": [alert.evaluations for alert in report.alerts],
        "ambig-\nuous": [alert.ambiguous_evaluations for alert in report.alerts],
        "failed": [alert.failed_evaluations for alert in report.alerts],
    }
    shown = {
        name: numbers for name, numbers in counts.items() if any(numbers) or name == "false\nfires"
    }
    table = Columns(
        (
            "alert",
            *(f"delay:\n{cause.name.replace(' ', chr(10), 1)}" for cause in report.causes),
            "for",
            *shown,
        )
    )
    for number, alert in enumerate(report.alerts):
        met = {(one.cause, one.began): one for one in alert.detections}
        delays = [_delay(met.get((cause.name, cause.start))) for cause in report.causes]
        name = f"{alert.name} ({alert.severity})" if alert.severity else alert.name
        counted = (str(numbers[number]) for numbers in shown.values())
        table.rows.append((name, *delays, units.seconds(alert.hold_seconds), *counted))
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
                labels = (
                    f" {{{', '.join(f'{name}={value}' for name, value in one.labels.items())}}}"
                    if one.labels
                    else ""
                )
                over = (
                    f"until {units.seconds(one.resolved_after_seconds)}"
                    if one.resolved_after_seconds is not None
                    else "to the end"
                )
                said = f" • {alert.name}{labels} fired from {units.seconds(one.firing_after_seconds)} {over}"
                yield Text(
                    f"{said}: {_why(one, report.load_seconds)}{', ambiguous' if one.ambiguous else ''}"
                )


def _why(one: Fired, load_seconds: float) -> str:
    after = one.firing_after_seconds or 0.0
    unloaded = (
        "since before the load" if after < 0 else "after the load" if after > load_seconds else None
    )
    return unloaded or one.cause or "without a cause"


def _sweep(alert: Judged) -> tuple[Text, Columns]:
    """Threshold by `for`."""
    holds = sorted({trial.hold_seconds for trial in alert.sweep})
    table = Columns(("threshold", *(f"for {units.seconds(hold)}" for hold in holds)))
    for threshold in dict.fromkeys(trial.threshold for trial in alert.sweep):
        row = {
            trial.hold_seconds: _trial(trial)
            for trial in alert.sweep
            if trial.threshold == threshold
        }
        table.rows.append(
            (
                units.NOTHING if threshold is None else f"{threshold:g}",
                *(row[hold] for hold in holds),
            )
        )
    return Text(
        f"\n{alert.name}: longest delay, causes met, +false fires, firings before the load"
    ), table


def _trial(trial: Trial) -> str:
    """Longest delay over the causes that were met, how many were, and what there is besides."""
    met = [one.delay_seconds for one in trial.detections if one.delay_seconds is not None]
    undecided = sum(one.undecided for one in trial.detections)
    delay = "undecided" if undecided and not met else units.seconds(max(met, default=None))
    open_besides = f", {undecided} undecided" if undecided and met else ""
    false = f" +{trial.false_fires}" if trial.false_fires else ""
    before = f" {trial.fired_before} before" if trial.fired_before else ""
    return f"{delay} {len(met)}/{len(trial.detections)}{open_besides}{false}{before}"
