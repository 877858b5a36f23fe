"""The outcome of a load generator's latest test beside its metrics: times, causes, exit code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

from firedrill.record.outcome import ExceptionKind

UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class GeneratorOutcome:
    """The latest test of a load generator. Times are Unix seconds."""

    setup_began: float | None = None
    began: float | None = None
    """Begin of the load; None before the set-up was over."""
    stopped: float | None = None
    """When the load was told to stop; None before, and where the generator died under load."""
    exit_code: int | None = None
    """The exit code that the locustfile set; None if it set none."""
    exceptions: tuple[ExceptionKind, ...] = ()
    """The commonest first."""

    @property
    def is_setting_up(self) -> bool:
        """Whether listeners of test_start still run."""
        return self.setup_began is not None and self.began is None and self.stopped is None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the exporter's JSON; what cannot be read is an outcome of which nothing is known."""
        try:
            content = json.loads(text)
            kinds = tuple(ExceptionKind(**row) for row in content.pop("exceptions"))
            return cls(**content, exceptions=kinds)
        except UNREADABLE:
            return cls()
