"""The state of one run while it is played: its request, folder and stack, and what happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from firedrill.drill.play.rule_health import RuleHealth
from firedrill.processes import oom
from firedrill.record.generator_outcome import GeneratorOutcome
from firedrill.record.outcome import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from firedrill.drill.play.fault_schedule import FaultInjector
    from firedrill.drill.play.progress import Progress
    from firedrill.drill.play.request import Request
    from firedrill.interrupt import Interrupt
    from firedrill.record.outcome import EarlyAbort
    from firedrill.record.run_document import Generator
    from firedrill.record.run_folder import Run
    from firedrill.stack.interface import Stack


@dataclass
class RunState:
    """Everything that starting, watching and recording a run share."""

    request: Request
    run: Run
    stack: Stack
    injector: FaultInjector
    generator: Generator
    interrupt: Interrupt
    progress: Progress
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    versions: dict[str, str] = field(default_factory=dict)
    mishaps: dict[str, Reason] = field(default_factory=dict)
    """Failures of the parts, by part or code."""
    remarks: dict[str, Reason] = field(default_factory=dict)
    """Notes that are no reason for the verdict, by code."""
    outcome: GeneratorOutcome = field(default_factory=GeneratorOutcome)
    """The load generator's account of its test, as of the last look."""
    load_has_begun: bool = False
    load_is_over: bool = False
    """Whether the load has ended, by itself or because we ended it."""
    oom_kills: Callable[[], int] = field(default_factory=oom.counter)
    """Processes that the kernel killed for want of memory since the run began."""
    early_abort: EarlyAbort | None = None
    awaited_alerts: set[str] = field(default_factory=set)
    """Alerts that have yet to fire before the load ends."""
    rule_health: RuleHealth = field(default_factory=RuleHealth)
    """The rules that could not be evaluated."""

    def remark(self, code: str, text: str) -> None:
        """Note a remark, and show it."""
        self.remarks[code] = Reason(code, text)
        self.progress.phase(text)

    @property
    def alerts_have_fired(self) -> bool:
        """Whether every alert has fired that the load was to end with."""
        return bool(self.request.until_firing) and not self.awaited_alerts

    def has_ended(self, part: str) -> bool:
        """Return whether a part of the stack was started and has ended."""
        child = getattr(self.stack, part)
        return child is not None and child.exit_code() is not None
