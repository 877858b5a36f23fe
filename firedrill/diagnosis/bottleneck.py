"""The roles of the stages: the bottleneck, its consequences, and the limits that come next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.diagnosis.evidence import STAGES
from firedrill.diagnosis.stages import SATURATED_RATIO, deepest
from firedrill.record.diagnosis import StageUse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firedrill.diagnosis.evidence import Evidence
    from firedrill.diagnosis.stages import Saturation

REMEDIES = {
    "generator": "generator",
    "slots": "slots",
    "backlog": "backlog",
    "file_descriptors": "file_descriptors",
    "connections": "connections",
    "workers": "threads",
    "event_loop": "asynchronous",
    "downstream": "downstream",
    "cpu": "processes",
}
"""What helps, by the bottleneck."""


def roles(evidence: Evidence, saturations: Mapping[str, Saturation]) -> tuple[StageUse, ...]:
    """Return every stage with its role, from the client to the handler."""
    found = deepest(saturations)
    bottleneck = found.stage if found else None
    return tuple(
        _stage_use(stage, saturations, bottleneck, demand(evidence, stage, saturations))
        for stage in STAGES
        if stage in saturations or stage in EXPORTED
    )


EXPORTED = ("backlog", "file_descriptors", "connections", "workers", "cpu")
"""Stages of every server; without figures their use is unknown."""


def demand(evidence: Evidence, stage: str, saturations: Mapping[str, Saturation]) -> float | None:
    """Return the share of a stage's limit that the offered load needs with no wait anywhere.

    Workers and CPU: the utilisation law, rate x service time / servers. Connections of a closed
    workload: its users, who keep theirs; of an open one: rate x response time (Little's law).
    None where it is not known.
    """
    limit = saturations[stage].limit if stage in saturations else None
    rate, model = evidence.peak_rate, evidence.model
    if stage == "connections" and limit:
        connections = needed_connections(evidence)
        return None if connections is None else connections / limit
    if stage == "workers" and limit and rate:
        return evidence.busy_servers(rate) / limit
    if stage == "cpu" and limit and rate and model and model.cpu_seconds:
        return rate * model.cpu_seconds / limit
    if stage == "generator" and rate and evidence.generator_cpu_seconds:
        return rate * evidence.generator_cpu_seconds
    return None


def needed_connections(evidence: Evidence) -> float | None:
    """Return how many connections the highest load needs; None where it is not known."""
    if not evidence.is_open:
        return evidence.peak_users
    rate, model = evidence.peak_rate, evidence.model
    if rate is None or model is None:
        return None
    return rate * (evidence.unloaded_service_seconds + model.overhead_seconds)


def _stage_use(
    stage: str,
    saturations: Mapping[str, Saturation],
    bottleneck: str | None,
    needed: float | None,
) -> StageUse:
    measured = saturations.get(stage)
    if measured is None:
        return StageUse(stage, "unknown")
    return StageUse(
        stage=stage,
        role=_role(measured, bottleneck, needed),
        used_max=measured.used_max,
        waiting_max=measured.waiting_max,
        saturated_after_seconds=measured.after_seconds if measured.is_saturated else None,
        saturated_seconds=measured.seconds if measured.is_saturated else 0.0,
        limit=measured.limit,
    )


def _role(measured: Saturation, bottleneck: str | None, needed: float | None) -> str:
    if measured.stage == bottleneck:
        return "bottleneck"
    if bottleneck and needed is not None and needed >= SATURATED_RATIO:
        return "next_limit"
    return "consequence" if measured.is_saturated else "free"
