"""Default objectives: alerts that fired over the bundle's limits, not the profile's. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill import units
from firedrill.record.outcome import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firedrill.record.run_document import RunDocument

LATENCY_SECONDS = 0.25
"""The limit that recording.yml takes where the profile sets no p99."""
ERROR_RATIO = 0.001
"""The limit that recording.yml takes where the profile sets no share of errors."""

OF_LATENCY = frozenset({"ApiLatencyBudgetBurn", "ApiLatencyP99High", "ApiQueueWaitHigh"})
"""The alerts that compare with the latency objective."""
OF_ERRORS = frozenset({"ApiErrorBudgetFastBurn", "ApiErrorBudgetSlowBurn"})
"""The alerts that compare with the objective for errors."""


def remarks(document: RunDocument) -> Iterator[Reason]:
    """Yield a remark where alerts fired over an objective that the profile does not set."""
    slo, alerts = document.profile.slo, document.figures.alerts if document.figures else ()
    fired = {alert.name for alert in alerts if alert.firing_after_seconds is not None}
    if slo is None or "p99" not in slo.latency_seconds:
        yield from _fired_by_default(fired & OF_LATENCY, "p99", units.seconds(LATENCY_SECONDS))
    if slo is None or slo.error_ratio is None:
        yield from _fired_by_default(fired & OF_ERRORS, "errors", f"{ERROR_RATIO:.1%}")


def _fired_by_default(alerts: set[str], objective: str, default: str) -> Iterator[Reason]:
    if alerts:
        names = ", ".join(sorted(alerts))
        happened = f"{names} fired over the default {objective} objective of {default}"
        text = f"{happened}, because the profile sets none; set {objective} in its slo"
        yield Reason("objective_unset", text)
