"""A backtest's report as a terminal shows it: causes, alerts, firings, sweeps and warnings."""

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
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console, ConsoleOptions

    from firedrill.alerts.backtest.attribution import Detection
    from firedrill.alerts.backtest.causes import Cause
    from firedrill.alerts.backtest.results import AlertResult, Firing, Report, Trial


GAP = 2
"""Cells between two columns, and at both sides of a table together."""
SHORTEST_FIRST = 18
"""The first column is folded to no fewer cells."""
NARROW = 70
"""Below this width the first column gets half of a table at most."""


@dataclass(slots=True)
class WrappingTable:
    """A table that cuts nothing: columns without room continue below, beside the first column."""

    heads: Sequence[str]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[Table]:
        first, *widths = (
            GAP + max(cell_len(line) for text in column for line in text.split("\n"))
            for column in zip(self.heads, *self.rows, strict=True)
        )
        room = options.max_width - sum(widths)
        if options.max_width < NARROW:
            first = min(first, options.max_width // 2)
        elif SHORTEST_FIRST <= room < first:
            first = room  # Its names are folded, so that one table is enough.
        block: list[int] = []
        used = first
        for number, width in enumerate(widths, start=1):
            if block and used + width > options.max_width:
                yield self._table(block, first)
                block, used = [], first
            block.append(number)
            used += width
        yield self._table(block, first)

    def _table(self, block: Sequence[int], first: int) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column(self.heads[0], overflow="fold", max_width=first - 1)
        for number in block:
            table.add_column(self.heads[number], justify="right", no_wrap=True)
        for row in self.rows:
            table.add_row(row[0], *(row[number] for number in block))
        return table


def render(report: Report) -> RenderableType:
    """Return what the terminal shows of a report."""
    title = f"Backtest of run {report.run}"
    if report.stretch > 1:
        title += f", each second stretched to {report.stretch}"
    sweeps = [part for alert in report.alerts if alert.sweep for part in _sweep(alert)]
    return Group(
        Text(title, style="bold"),
        *_bullets(map(_cause, report.causes)),
        _alerts(report) if report.alerts else Text("\nno alert was judged\n"),
        *_bullets(_firings(report)),
        *sweeps,
        *_bullets(report.remarks),
    )


def _bullets(texts: Iterable[str]) -> Iterator[Table]:
    """Yield a list whose long lines are indented below their text."""
    for text in texts:
        line = Table.grid(padding=(0, 1, 0, 0))
        line.add_row(Text(" •"), Text(text))
        yield line


def _cause(cause: Cause) -> str:
    start, length = units.seconds(cause.start), units.seconds(cause.end - cause.start)
    return f"cause: {cause.name}, {start} after the load began, for {length}"


def _alerts(report: Report) -> WrappingTable:
    """Return a row for each alert; columns of counts that are all 0 are left out."""
    counts = {
        "false\nfires": [alert.false_fires for alert in report.alerts],
        "evalu-\nations": [alert.evaluations for alert in report.alerts],
        "ambig-\nuous": [alert.ambiguous_evaluations for alert in report.alerts],
        "failed": [alert.failed_evaluations for alert in report.alerts],
    }
    shown = {
        head: numbers for head, numbers in counts.items() if any(numbers) or head == "false\nfires"
    }
    delay_heads = ["delay:\n" + cause.name.replace(" ", "\n", 1) for cause in report.causes]
    table = WrappingTable(("alert", *delay_heads, "for", *shown))
    for row, alert in enumerate(report.alerts):
        detections = {
            (detection.cause, detection.began): detection for detection in alert.detections
        }
        delays = [_delay(detections.get((cause.name, cause.start))) for cause in report.causes]
        name = f"{alert.name} ({alert.severity})" if alert.severity else alert.name
        numbers = (str(column[row]) for column in shown.values())
        table.rows.append((name, *delays, units.seconds(alert.hold_seconds or None), *numbers))
    return table


def _delay(detection: Detection | None) -> str:
    """Return the delay; nothing for a cause that does not concern the alert."""
    if detection is None:
        return ""
    if detection.undecided:
        return "undecided"
    delay = detection.delay_seconds
    return "missed" if delay is None else units.seconds(delay)


def _firings(report: Report) -> Iterator[str]:
    for alert in report.alerts:
        for firing in alert.fired:
            if firing.firing_after_seconds is not None:
                yield _firing(alert, firing, report.load_seconds)


def _firing(alert: AlertResult, firing: Firing, load_seconds: float) -> str:
    listed = ", ".join(f"{name}={value}" for name, value in firing.labels.items())
    labels = f" {{{listed}}}" if listed else ""
    until = (
        "to the end"
        if firing.resolved_after_seconds is None
        else f"until {units.seconds(firing.resolved_after_seconds)}"
    )
    start = units.seconds(firing.firing_after_seconds)
    ambiguous = ", ambiguous" if firing.ambiguous else ""
    reason = _reason(firing, load_seconds)
    return f"{alert.name}{labels} fired from {start} {until}: {reason}{ambiguous}"


def _reason(firing: Firing, load_seconds: float) -> str:
    after = firing.firing_after_seconds or 0.0
    if after < 0:
        return "since before the load"
    if after > load_seconds:
        return "after the load"
    return firing.cause or "false fire"


def _sweep(alert: AlertResult) -> tuple[Text, WrappingTable]:
    """Return a title, and a table of thresholds by `for`."""
    holds = sorted({trial.hold_seconds for trial in alert.sweep})
    table = WrappingTable(("threshold", *(f"for {units.seconds(hold)}" for hold in holds)))
    for threshold in dict.fromkeys(trial.threshold for trial in alert.sweep):
        cells = {
            trial.hold_seconds: _trial(trial)
            for trial in alert.sweep
            if trial.threshold == threshold
        }
        name = units.NOTHING if threshold is None else f"{threshold:g}"
        table.rows.append((name, *(cells[hold] for hold in holds)))
    explained = "longest delay, causes detected, +false fires, firings before the load"
    return Text(f"\nSweep of {alert.name}: {explained}"), table


def _trial(trial: Trial) -> str:
    """Return the longest delay, how many causes were detected, and what there is besides."""
    delays = [
        detection.delay_seconds
        for detection in trial.detections
        if detection.delay_seconds is not None
    ]
    undecided = sum(detection.undecided for detection in trial.detections)
    delay = units.seconds(max(delays, default=None))
    if undecided and not delays:
        delay = "undecided"
    text = f"{delay} {len(delays)}/{len(trial.detections)}"
    if undecided and delays:
        text += f", {undecided} undecided"
    if trial.false_fires:
        text += f" +{trial.false_fires}"
    if trial.fired_before:
        text += f" {trial.fired_before} before"
    return text
