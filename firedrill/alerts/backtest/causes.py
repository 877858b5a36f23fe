"""The causes in a recorded run: injected faults, or the steps in which the SLO was broken."""

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
    """A fault or a broken SLO, with its start and end in Unix seconds."""

    name: str
    start: float
    end: float
    alerts: tuple[str, ...] = ()
    """The alerts that the profile expects of it."""


def for_alert(alert: str, causes: Sequence[Cause]) -> list[Cause]:
    """Return the causes that name an alert; all causes, as a guess, if none does."""
    return [cause for cause in causes if alert in cause.alerts] or list(causes)


def from_run(run: RunDocument) -> tuple[Cause, ...]:
    """Return the causes of a recorded run, in order of their start."""
    return tuple(sorted((*_faults(run), *_broken_steps(run)), key=lambda cause: cause.start))


def _faults(run: RunDocument) -> Iterator[Cause]:
    for fault in run.faults:
        yield Cause(spell(fault.fault, fault.size), fault.start, fault.end, fault.alerts)


def _broken_steps(run: RunDocument) -> Iterator[Cause]:
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
