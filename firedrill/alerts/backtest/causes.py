"""Causes of alerts in a recorded run: injected faults, and load steps that broke the SLO. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill.fault_client import spell
from firedrill.objectives import is_exceeded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firedrill.profile import Slo
    from firedrill.record.figures import ClientSide, StepFigures
    from firedrill.record.run_document import RunDocument


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that went wrong at a known time. Unix seconds."""

    name: str
    start: float
    end: float
    alerts: tuple[str, ...] = ()
    """Alerts that the profile expects after it."""


def concerning(alert: str, all_causes: Sequence[Cause]) -> list[Cause]:
    """Return the causes that name the alert; all of them, as a guess, where none does."""
    return [cause for cause in all_causes if alert in cause.alerts] or list(all_causes)


def of_run(run: RunDocument) -> tuple[Cause, ...]:
    """Return the causes of a recorded run, by their beginning."""
    return tuple(sorted((*_faults(run), *_steps(run)), key=lambda cause: cause.start))


def _faults(run: RunDocument) -> Iterator[Cause]:
    for fault in run.faults:
        yield Cause(spell(fault.fault, fault.size), fault.start, fault.end, fault.alerts)


def _steps(run: RunDocument) -> Iterator[Cause]:
    """Yield the steps that broke the SLO; in a run with faults, the fault is the cause."""
    slo = run.profile.slo
    if not run.figures or not slo or not run.window or run.faults:
        return
    for step in run.figures.steps:
        if is_broken(step.client, slo):
            start = run.window.start
            yield Cause(_step_name(step), start + step.start_seconds, start + step.end_seconds)


def _step_name(step: StepFigures) -> str:
    load = f"{step.users} users" if step.arrival_rate is None else f"{step.arrival_rate:g}/s"
    return f"step {step.index}: {load}"


def is_broken(client: ClientSide, slo: Slo) -> bool:
    """Return whether the client's figures of a span break the SLO's latencies or errors."""
    slow = any(
        share is not None and is_exceeded(name, share)
        for name, share in client.slower_than_slo.items()
    )
    accepted, failed = slo.error_ratio, client.error_ratio
    return slow or (accepted is not None and failed is not None and failed > accepted)
