"""The terminal summary of a search for the capacity: result, trials, overload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from firedrill import units
from firedrill.drill.show.fitted_table import Column, FittedTable
from firedrill.drill.show.status_style import headline

if TYPE_CHECKING:
    from firedrill.record.capacity import Capacity, Overload, TrialFigures
    from firedrill.record.run_folder import Run

TRIAL_COLUMNS = (
    Column("rate", is_number=True),
    Column("trial", drop_order=2),
    Column("outcome", keep_whole=True),
    Column("time", is_number=True, drop_order=1),
    Column("throughput", is_number=True, drop_order=3),
    Column("goodput", is_number=True),
    Column("errors", is_number=True, drop_order=4),
    Column("p50", is_number=True, drop_order=5),
    Column("p99", is_number=True),
)
OVERLOAD_COLUMNS = (
    Column("overload", is_number=True),
    Column("rate", is_number=True),
    Column("throughput", is_number=True, drop_order=2),
    Column("goodput", is_number=True),
    Column("p99", is_number=True),
    Column("accepted p99", is_number=True, drop_order=3),
    Column("dropped", is_number=True, drop_order=1),
    Column("errors"),
    Column("queue"),
    Column("recovered after", is_number=True),
)


def of_run(run: Run) -> RenderableType:
    """Show the result with its evidence, the trials by rate, and the folder."""
    document = run.read()
    parts: list[RenderableType] = [
        headline(document.status, document.title),
        *(Text(f" • {reason.text}") for reason in document.reasons),
        *(Text(f" • {remark.text}") for remark in document.remarks),
    ]
    if document.capacity:
        parts += _tables(document.capacity)
    return Group(*parts, Text(), Text(f"recorded in {run.folder}", style="dim"))


def _tables(result: Capacity) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if result.trials:
        trials = sorted(result.trials, key=lambda trial: (trial.rate, trial.start_seconds))
        parts += [Text(), FittedTable(TRIAL_COLUMNS, [_trial(trial) for trial in trials])]
    if result.overload:
        rows = [_overload(overload) for overload in result.overload]
        parts += [Text(), FittedTable(OVERLOAD_COLUMNS, rows)]
    return parts


def _trial(trial: TrialFigures) -> tuple[str, ...]:
    return (
        units.rate(trial.rate),
        trial.phase,
        trial.outcome,
        units.seconds(trial.end_seconds - trial.start_seconds),
        units.rate(trial.throughput),
        units.rate(trial.goodput),
        units.percent(trial.error_ratio),
        units.latency(trial.latency_seconds.get("p50")),
        units.latency(trial.latency_seconds.get("p99")),
    )


def _overload(overload: Overload) -> tuple[str, ...]:
    bounded = {True: "bounded", False: "grows", None: units.NOTHING}[overload.queue_is_bounded]
    errors = ", ".join(f"{units.count(count)} {name}" for name, count in overload.errors.items())
    shed = f"{units.count(overload.shed)} shed" if overload.shed else ""
    return (
        f"{overload.factor:g} x",
        units.rate(overload.rate),
        units.rate(overload.throughput),
        units.rate(overload.goodput),
        units.latency(overload.latency_seconds.get("p99")),
        units.latency(overload.accepted_p99_seconds),
        units.count(overload.dropped),
        "; ".join(filter(None, (errors, shed))) or "none",
        bounded,
        "not in a minute"
        if overload.recovery_seconds is None
        else units.seconds(overload.recovery_seconds),
    )
