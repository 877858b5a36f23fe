"""The section of a report on the capacity: result, curve, trials, overload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill import units
from firedrill.report.charts.capacity_chart import latency_against_throughput
from firedrill.report.charts.chart_types import Chart
from firedrill.report.pages.render import Table

if TYPE_CHECKING:
    from firedrill.record.capacity import Capacity, Overload, TrialFigures
    from firedrill.report.run_facts import Facts

TITLE = "Latency against throughput"


def curve(facts: Facts) -> Chart | None:
    """Return the chart of the trials; None in a run that searched no capacity."""
    result = facts.document.capacity
    if result is None:
        return None
    slo = facts.document.profile.slo
    objectives = sorted(slo.latency_seconds.values()) if slo else []
    return Chart(
        TITLE,
        "Each trial's p50 (round) and p99 (square) over its answers a second: green where the SLO "
        "held, red where it broke, grey where the load generator reached its limit. Dashed: the "
        "objectives.",
        latency_against_throughput(result.trials, objectives),
        wide=True,
    )


def sentences(facts: Facts) -> list[str]:
    """Return the result in sentences."""
    return [remark.text for remark in facts.document.remarks] if facts.document.capacity else []


def trials(facts: Facts) -> Table | None:
    """Return the table of the trials, the lowest rate first; None without any."""
    result = facts.document.capacity
    return _trials(result) if result and result.trials else None


def overload(facts: Facts) -> Table | None:
    """Return the table of the overloads; None without any."""
    result = facts.document.capacity
    if not result or not result.overload:
        return None
    headings = (
        "overload",
        "rate",
        "throughput",
        "goodput",
        "p99",
        "p99 of accepted requests",
        "dropped",
        "shed",
        "errors by class",
        "queue",
        "SLO held again after",
    )
    return Table(headings, [_overload_row(one) for one in result.overload], texts=(8, 9))


def _trials(result: Capacity) -> Table:
    ordered = sorted(result.trials, key=lambda trial: (trial.rate, trial.start_seconds))
    headings = (
        "rate",
        "trial",
        "outcome",
        "time",
        "warm-up",
        "throughput",
        "goodput",
        "errors",
        "p50",
        "p99",
        "evidence",
    )
    return Table(headings, [_trial_row(trial) for trial in ordered], texts=(1, 2, 10))


def _trial_row(trial: TrialFigures) -> tuple[str, ...]:
    return (
        units.rate(trial.rate),
        trial.phase,
        trial.outcome,
        units.seconds(trial.end_seconds - trial.start_seconds),
        units.seconds(trial.warmup_seconds),
        units.rate(trial.throughput),
        units.rate(trial.goodput),
        units.percent(trial.error_ratio),
        units.latency(trial.latency_seconds.get("p50")),
        units.latency(trial.latency_seconds.get("p99")),
        trial.reason,
    )


def _overload_row(one: Overload) -> tuple[str, ...]:
    return (
        f"{one.factor:g} x",
        units.rate(one.rate),
        units.rate(one.throughput),
        units.rate(one.goodput),
        units.latency(one.latency_seconds.get("p99")),
        units.latency(one.accepted_p99_seconds),
        units.count(one.dropped),
        units.count(one.shed),
        ", ".join(f"{units.count(count)} {name}" for name, count in one.errors.items()) or "none",
        {True: "bounded", False: "grows without end", None: units.NOTHING}[one.queue_is_bounded],
        "not within a minute"
        if one.recovery_seconds is None
        else units.seconds(one.recovery_seconds),
    )
