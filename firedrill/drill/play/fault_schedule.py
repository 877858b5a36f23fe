"""The schedule of a profile's faults: each is set on the API in time, and recorded."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from firedrill.errors import FiredrillError
from firedrill.fault_client import FaultClient, spell
from firedrill.record.outcome import Reason
from firedrill.record.run_document import InjectedFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firedrill.profile import FaultStep


class FaultInjector:
    """Sets each fault once, at the metrics endpoint below a base URL."""

    def __init__(self, base_url: str, steps: Sequence[FaultStep]) -> None:
        self._client = FaultClient(base_url)
        self._waiting = list(steps)
        self._injected: list[InjectedFault] = []
        self._ended = float("inf")

    def follow(self, elapsed_seconds: float) -> Iterator[Reason]:
        """Set the faults that are due; yields a reason for each step that could not be set."""
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
                    InjectedFault(fault, size, now, now + step.for_seconds, named)
                    for (fault, size), named in zip(step.sizes.items(), alerts, strict=True)
                ]

    def end(self) -> Iterator[Reason]:
        """End what is still set; yields a reason for what could not be set in time, or ended."""
        yield from (_not_set(step, "the load had ended") for step in self._waiting)
        self._waiting.clear()
        if any(fault.end > time.time() for fault in self._injected):
            try:
                self._client.clear()
            except FiredrillError as error:
                text = f"the faults could not be ended with the load: {error}"
                yield Reason("fault_not_ended", text)
        self._ended = time.time()

    def injected(self) -> list[InjectedFault]:
        """Return every fault that was set, in order, with its real end.

        A fault ends after its time, when another one of its kind begins, or with the load.
        """
        return [self._with_real_end(index) for index in range(len(self._injected))]

    def _with_real_end(self, index: int) -> InjectedFault:
        fault, later_faults = self._injected[index], self._injected[index + 1 :]
        replaced = (later.start for later in later_faults if later.fault == fault.fault)
        return replace(fault, end=min(fault.end, self._ended, *replaced))


def _not_set(step: FaultStep, why: str) -> Reason:
    faults = ", ".join(spell(fault, size) for fault, size in step.sizes.items())
    text = f"the fault due after {step.start_seconds:g} s ({faults}) was not set: {why}"
    return Reason("fault_not_set", text)
