"""The terminal summary of one run or several: figures, steps, alerts, notifications, reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from firedrill import units
from firedrill.diagnosis import sentences
from firedrill.drill.show.figures_table import FiguresTable, fired_alerts, fired_names
from firedrill.drill.show.fitted_table import Column, FittedTable, filled_columns
from firedrill.drill.show.status_style import headline
from firedrill.fault_client import spell
from firedrill.histogram import FEWEST_REQUESTS
from firedrill.notifications.notification import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from firedrill.record.figures import Alert, Figures, StepFigures
    from firedrill.record.outcome import ScorecardRow
    from firedrill.record.run_document import RecordedNotification, RunDocument
    from firedrill.record.run_folder import Run

STEP_COLUMNS = (
    Column("step", is_number=True),
    Column("time", is_number=True),
    Column("load", is_number=True),
    Column("offered", is_number=True, drop_order=2),
    Column("achieved", is_number=True),
    Column("errors", is_number=True),
    Column("p50", is_number=True, drop_order=1),
    Column("p99", is_number=True),
    Column("server p99", is_number=True, drop_order=3),
)
MOST_FIRINGS = 3
"""Firings of one alert that are listed."""
SCORECARD_COLUMNS = (
    Column("alert"),
    Column("profile", drop_order=1),
    Column("judgement", keep_whole=True),
    Column("cause"),
    Column("delay", is_number=True),
)


def of_run(run: Run) -> RenderableType:
    """Show one run: the verdict with its reasons, the figures, the steps, and the folder."""
    document = run.read()
    parts: list[RenderableType] = [
        headline(document.status, document.title),
        *_reasons(document),
        *_remarks(document),
        *_diagnosis(document),
    ]
    if document.figures:
        parts += [
            Text(),
            FiguresTable([document]),
            Text(),
            *_steps(document),
            *_faults(document),
            *_alerts(document.figures),
            *_scorecard(document.scorecard),
            *_notifications(document.notifications),
        ]
    return Group(*parts, Text(), Text(f"recorded in {run.folder}", style="dim"))


def side_by_side(documents: Sequence[RunDocument]) -> RenderableType:
    """Show several runs: their figures in columns, then each verdict with its reasons."""
    verdicts: list[RenderableType] = []
    for document in documents:
        verdicts += [
            headline(document.status, document.title),
            *_reasons(document),
            *_remarks(document),
            *_diagnosis(document),
            *_alert_names(document),
            Text(),
        ]
    has_figures = any(document.figures for document in documents)
    figures: list[RenderableType] = [FiguresTable(documents), Text()] if has_figures else []
    return Group(*figures, *verdicts)


def _reasons(document: RunDocument) -> list[Text]:
    return [Text(f" • {reason.text}") for reason in document.reasons]


def _remarks(document: RunDocument) -> list[Text]:
    return [Text(f" • {remark.text}", style="dim") for remark in document.remarks]


def _diagnosis(document: RunDocument) -> list[RenderableType]:
    """Show what limited the run, and the command of a run that would go further."""
    diagnosis = document.diagnosis
    if diagnosis is None:
        return []
    command = sentences.next_command(document)
    return [
        *_heading("Diagnosis"),
        *(Text(f" • {text}") for text in sentences.of_diagnosis(diagnosis)),
        *(Text(f" • {text}", style="dim") for text in diagnosis.missing),
        *([Text(f" $ {command}")] if command else []),
    ]


def _heading(text: str) -> list[RenderableType]:
    return [Text(), Text(text, style="bold")]


def _steps(document: RunDocument) -> list[RenderableType]:
    """Show the steps, and what the figures leave out."""
    figures, warmup = document.figures, document.profile.warmup_seconds
    steps = figures.steps if figures else ()
    notes = []
    if warmup:
        left_out = f"the first {units.seconds(warmup)} (warm-up)"
        notes.append(f"Latency, rates and errors leave out {left_out}.")
    if figures and figures.client.rate and figures.client.latency_seconds.get("p99.9") is None:
        notes.append(f"p99.9 needs {FEWEST_REQUESTS['p99.9']:,} requests.")
    table = filled_columns(STEP_COLUMNS, map(_step, steps), units.NOTHING)
    return [table, *([Text(" ".join(notes), style="dim")] if notes else [])]


def _step(step: StepFigures) -> tuple[str, ...]:
    client = step.client
    return (
        str(step.index),
        f"{step.start_seconds:.0f}–{step.end_seconds:.0f} s",
        _load(step),
        units.rate(client.offered_rate),
        units.rate(client.rate),
        units.percent(client.error_ratio),
        units.latency(client.latency_seconds.get("p50")),
        units.latency(client.latency_seconds.get("p99")),
        units.latency(step.server.latency_seconds.get("p99")),
    )


def _load(step: StepFigures) -> str:
    """Return the load that the profile asked for, and the users of the locustfile's own shape."""
    rate, running = step.arrival_rate, step.users_measured
    asked = str(step.users) if rate is None else units.rate(rate)
    return asked if running is None else f"{units.count(running)} (not {asked})"


def _faults(document: RunDocument) -> list[RenderableType]:
    if not document.faults or not document.window:
        return []
    start = document.window.start
    return [
        *_heading("Injected faults"),
        *(
            Text(
                f" • {spell(fault.fault, fault.size)} after {units.seconds(fault.start - start)}, "
                f"for {units.seconds(fault.end - fault.start)}"
            )
            for fault in document.faults
        ),
    ]


def _alerts(figures: Figures) -> list[RenderableType]:
    fired = fired_alerts(figures)
    return [*_heading("Alerts that fired" if fired else "No alert fired"), *map(_alert, fired)]


def _alert(alert: Alert) -> Text:
    begin = alert.firing_after_seconds or 0.0
    firings = alert.firings or ((begin, begin + alert.firing_seconds),)
    listed = "; ".join(
        f"after {units.seconds(begin)}, for {units.seconds(end - begin)}"
        for begin, end in firings[:MOST_FIRINGS]
    )
    more = len(firings) - MOST_FIRINGS
    others = f"; and {more} more times" if more > 0 else ""
    return Text(f" • {alert.name} ({alert.severity}) {listed}{others}")


def _alert_names(document: RunDocument) -> list[Text]:
    names = fired_names(document.figures) if document.figures else []
    return [Text(f" • alerts that fired: {', '.join(names)}")] if names else []


def _scorecard(rows: Sequence[ScorecardRow]) -> list[RenderableType]:
    """Show the alerts beside their causes; older runs have no scorecard."""
    if not rows:
        return []
    cells = [
        (
            row.alert,
            (row.expected or units.NOTHING).replace("_", " "),
            row.judgement,
            _cause(row),
            units.seconds(row.delay_seconds),
        )
        for row in rows
    ]
    guessed = any(row.cause and row.attribution == "latest" for row in rows)
    legend = [Text("? the latest cause before it, as nothing names this alert.")] if guessed else []
    return [Text(), FittedTable(SCORECARD_COLUMNS, cells), *legend]


def _cause(row: ScorecardRow) -> str:
    """Return the cause, with a question mark where it is a guess."""
    guess = "?" if row.attribution == "latest" else ""
    return f"{row.cause}{guess}" if row.cause else units.NOTHING


def _notifications(
    notifications: Sequence[RecordedNotification] | None,
) -> list[RenderableType]:
    """Show the notifications; nothing where none could be sent."""
    if notifications is None:
        return []
    heading = _heading("Notifications" if notifications else "No notifications")
    return [*heading, *map(_notification, _without_repeats(notifications))]


def _without_repeats(
    notifications: Iterable[RecordedNotification],
) -> Iterator[RecordedNotification]:
    """Leave out repeated news: a group that grows sends its earlier alerts again."""
    last: dict[tuple[str, str, str], str] = {}
    for notification in notifications:
        key = (notification.receiver, notification.alertname, notification.severity)
        if last.get(key) != notification.status:
            last[key] = notification.status
            yield notification


def _notification(notification: RecordedNotification) -> Text:
    alert, after = notification.alertname, units.seconds(notification.after_seconds)
    firing = notification.status == "firing"
    news = f"{alert}: {notification.summary}" if firing else f"{alert} resolved"
    return Text(printable(f" • {notification.receiver} after {after}: {news}"))
