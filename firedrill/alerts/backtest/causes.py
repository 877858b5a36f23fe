"""What an alert of a recorded run can be held against: the faults that were injected, and the steps in which the SLO was broken. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firedrill.fault_client import spell
from firedrill.objectives import is_exceeded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that went wrong at a known time. Unix seconds."""

    name: str
    start: float
    end: float
    alerts: tuple[str, ...] = ()
    """Those that the profile expects of it."""


def concerning(alert: str, all_causes: Sequence[Cause]) -> list[Cause]:
    """Those that name the alert, which was said before the run; all of them, as a guess, where none does."""
    return [cause for cause in all_causes if alert in cause.alerts] or list(all_causes)


def of_run(run: Mapping[str, Any]) -> tuple[Cause, ...]:
    """Causes of a run.json, by their beginning."""
    return tuple(sorted((*_faults(run), *_steps(run)), key=lambda cause: cause.start))


def _faults(run: Mapping[str, Any]) -> Iterator[Cause]:
    for fault in run.get("faults") or ():
        yield Cause(
            spell(fault["fault"], fault["size"]),
            fault["start"],
            fault["end"],
            tuple(fault.get("alerts") or ()),
        )


def _steps(run: Mapping[str, Any]) -> Iterator[Cause]:
    """A step that breaks the SLO because a fault was set in it has that fault for its cause."""
    figures, slo, window = run.get("figures"), run["profile"].get("slo"), run.get("window")
    if not figures or not slo or not window or run.get("faults"):
        return
    for step in figures["steps"]:
        if is_broken(step["client"], slo):
            start, end = (window["start"] + step[f"{edge}_seconds"] for edge in ("start", "end"))
            rate = step.get("arrival_rate")
            yield Cause(
                f"step {step['index']}: {step['users']} users"
                if rate is None
                else f"step {step['index']}: {rate:g}/s",
                start,
                end,
            )


def is_broken(client: Mapping[str, Any], slo: Mapping[str, Any]) -> bool:
    """Whether the client's figures of a span break the SLO's latencies or errors."""
    slow = any(
        share is not None and is_exceeded(name, share)
        for name, share in client["slower_than_slo"].items()
    )
    accepted, failing = slo["error_ratio"], client["error_ratio"]
    return slow or (accepted is not None and failing is not None and failing > accepted)
