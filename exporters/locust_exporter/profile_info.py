"""The exporter's public face: what a load profile and its open loop know about the run and Locust does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from locust_exporter.counting.arrival_counts import LATENESS, Arrivals

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LATENESS", "Arrivals", "RunFacts", "announce", "announced"]


@dataclass(slots=True)
class RunFacts:
    """Shown on the exporter's page; kept up to date by whoever announced it."""

    profile: str = ""
    slo_latency_seconds: Mapping[str, float] = field(default_factory=dict)
    """By quantile, spelled as the label is: `0.99`."""
    slo_error_ratio: float | None = None
    slo_starved_users: int | None = None
    step: int | None = None
    """Index of the active step; None before the first."""
    arrivals: Arrivals | None = None
    """Of an open loop; None in a closed one."""


_announced = RunFacts()


def announce(facts: RunFacts) -> None:
    """Show these facts from now on. Harmless where no exporter runs."""
    global _announced  # noqa: PLW0603 - one run a process, and plugins are imported under two names
    _announced = facts


def announced() -> RunFacts:
    """The facts announced last; empty ones before."""
    return _announced
