"""Objectives that a profile does not set, and alerts judged all the same: by the bundle's own. Pure; reads run.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.drill.judge.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LATENCY_SECONDS, ERROR_RATIO = 0.25, 0.001
"""What recording.yml takes where no p99 and no share of errors is set."""
OF_LATENCY = frozenset({"ApiLatencyBudgetBurn", "ApiLatencyP99High", "ApiQueueWaitHigh"})
OF_ERRORS = frozenset({"ApiErrorBudgetFastBurn", "ApiErrorBudgetSlowBurn"})
"""The alerts that compare with them."""


def remarks(document: Mapping[str, Any]) -> Iterator[Reason]:
    """A sentence where alerts fired over an objective that nobody had set."""
    figures, slo = document["figures"] or {"alerts": ()}, document["profile"]["slo"] or {}
    fired = {
        alert["name"] for alert in figures["alerts"] if alert["firing_after_seconds"] is not None
    }
    if "p99" not in slo.get("latency_seconds", {}):
        yield from _judged_by(fired & OF_LATENCY, "p99", units.seconds(LATENCY_SECONDS))
    if slo.get("error_ratio") is None:
        yield from _judged_by(fired & OF_ERRORS, "share of errors", f"{ERROR_RATIO:.1%}")


def _judged_by(alerts: frozenset[str] | set[str], what: str, own: str) -> Iterator[Reason]:
    if alerts:
        yield Reason(
            "objective_unset",
            f"the profile sets no {what}: {', '.join(sorted(alerts))} fired over the bundle's own, {own}",
        )
