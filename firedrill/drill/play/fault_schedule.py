"""The faults of a profile: set on the API when their time has come, and remembered with the time that they really had."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from firedrill.drill.judge.verdict import Reason
from firedrill.errors import FiredrillError
from firedrill.fault_client import FaultClient, spell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firedrill.profile import FaultStep


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was set: what every alert and chart of the run can be held against."""

    fault: str
    size: float
    """In base units: seconds, a ratio, cores, workers, bytes a second; 1 for stop."""
    start: float
    """Unix time."""
    end: float
    alerts: tuple[str, ...] = ()
    """Those that the profile expects of it; of faults set together, the first has them."""


class Injector:
    """Sets each fault once, on the metrics page at a base URL."""

    def __init__(self, base_url: str, steps: Sequence[FaultStep]) -> None:
        self._client = FaultClient(base_url)
        self._waiting = list(steps)
        self._injected: list[Injected] = []
        self._ended = float("inf")

    def follow(self, elapsed_seconds: float) -> Iterator[Reason]:
        """Set what is due after so much time under load; gives a reason for each step that could not be set."""
        while self._waiting and self._waiting[0].start_seconds <= elapsed_seconds:
            step = self._waiting.pop(0)
            try:
                self._client.set(step.sizes, step.for_seconds)
            except FiredrillError as error:
                yield _not_set(step, str(error))
            else:
                now = time.time()
                alerts = [step.alerts, *((),) * (len(step.sizes) - 1)]
                self._injected += [
                    Injected(fault, size, now, now + step.for_seconds, named)
                    for (fault, size), named in zip(step.sizes.items(), alerts, strict=True)
                ]

    def end(self) -> Iterator[Reason]:
        """End what is still set; gives a reason for each step whose time had not come, and for what could not be ended."""
        yield from (_not_set(step, "the load had ended") for step in self._waiting)
        self._waiting.clear()
        if any(injected.end > time.time() for injected in self._injected):
            try:
                self._client.clear()
            except FiredrillError as error:
                yield Reason(
                    "fault_not_ended", f"the faults could not be ended with the load: {error}"
                )
        self._ended = time.time()

    def injected(self) -> list[Injected]:
        """Every fault that was set, in order; it ended with its time, with the next one of its kind, or when all were ended."""
        return [self._as_it_was(at, injected) for at, injected in enumerate(self._injected)]

    def _as_it_was(self, at: int, injected: Injected) -> Injected:
        replaced = (
            later.start for later in self._injected[at + 1 :] if later.fault == injected.fault
        )
        return replace(injected, end=min(injected.end, self._ended, *replaced))


def _not_set(step: FaultStep, why: str) -> Reason:
    what = ", ".join(spell(fault, size) for fault, size in step.sizes.items())
    return Reason(
        "fault_not_set", f"the fault due after {step.start_seconds:g} s ({what}) was not set: {why}"
    )
