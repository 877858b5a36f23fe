"""The outcome of a run: status (PASSED, FAILED, INVALID, INTERRUPTED), reasons, alert scorecard."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 -- pydantic reads the annotations
from dataclasses import dataclass
from enum import StrEnum

from firedrill import units


class Status(StrEnum):
    """How a run ended."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    INVALID = "INVALID"
    INTERRUPTED = "INTERRUPTED"


@dataclass(frozen=True, slots=True)
class Reason:
    """Something that was wrong: a code for programs, a sentence for people."""

    code: str
    text: str


TASK = "task"
"""Source of an exception that ended a task; other sources are events of Locust."""


@dataclass(frozen=True, slots=True)
class ExceptionKind:
    """A kind of exception that the user's code raised in the generator, of all its processes."""

    source: str
    """`task`, or the event of Locust whose listener raised; `other` beyond 20 kinds."""
    type: str
    message: str
    """The message of the first one, cut to 200 characters."""
    place: str
    """File and line of the innermost frame in the user's code."""
    count: int

    def text(self) -> str:
        """Return the kind in words: `KeyError: 'id' (my.py:11, 124 times)`."""
        words = f"{self.type}: {self.message}" if self.message else self.type
        times = f"{units.count(self.count)} times" if self.count > 1 else ""
        where = ", ".join(part for part in (self.place, times) if part)
        return f"{words} ({where})" if where else words


@dataclass(frozen=True, slots=True)
class Verdict:
    """A status, with every reason for it that was found."""

    status: Status
    reasons: tuple[Reason, ...]

    def with_failures(self, reasons: Sequence[Reason]) -> Verdict:
        """Add reasons against the API or its alerts; only a run that had passed changes status."""
        has_failed = bool(reasons) and self.status is Status.PASSED
        status = Status.FAILED if has_failed else self.status
        return Verdict(status, (*self.reasons, *reasons))


@dataclass(frozen=True, slots=True)
class EarlyAbort:
    """The place at which a run broke its SLO for certain, and was ended (--abort-on-slo)."""

    objective: str
    """`p99`, `errors` or `starved_users`."""
    after_seconds: float
    step: int
    load: str
    """The load that this step asked for."""
    held: str | None
    """The load of the step before it, under which the SLO held; None in the first step."""

    def text(self) -> str:
        """Return the abort as a sentence."""
        held = f"; the SLO held at {self.held}" if self.held else ""
        place = f"step {self.step}, {units.seconds(self.after_seconds)} after the start"
        return f"the SLO ({self.objective}) broke at {self.load} ({place}), so the load ended{held}"


@dataclass(frozen=True, slots=True)
class ScorecardRow:
    """An alert, compared with one cause or with the profile's expectation. Times in seconds.

    The judgements:

    - detected: it fired after a cause.
    - expected: it fired as the profile says, without a known cause.
    - missed: it did not fire, though the profile expects it.
    - false: it fired, though the profile says never, or without a cause.
    - quiet: it did not fire, and did not have to.
    - undecided: the load ended too early, or the alert was active before the load or its fault
      began, or its rule could not be evaluated.
    """

    alert: str
    judgement: str
    expected: str | None = None
    """always, if_slo_broken, never, or `fault` where a fault names it; None where none is set."""
    firing_after_seconds: float | None = None
    cause: str | None = None
    attribution: str | None = None
    """`named` if the profile names the alert beside its cause, `latest` if the cause is a guess."""
    delay_seconds: float | None = None
    wrong: bool = False
    """Whether it fails the run."""
    text: str = ""
    """A sentence on what happened, where that is wrong or undecided."""
