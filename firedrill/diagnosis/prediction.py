"""The figures to expect of a profile with other settings, and their comparison with a later run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from firedrill.diagnosis.workload_simulation import Simulation
from firedrill.record.diagnosis import Prediction, PredictionCheck, ServiceModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from firedrill.diagnosis.evidence import Evidence
    from firedrill.profile import Profile
    from firedrill.record.run_document import RunDocument

P99_TOLERANCE = 0.3
RATE_TOLERANCE = 0.1
"""The accuracy that is aimed at."""


def predict(
    profile: Profile,
    seconds: float,
    model: ServiceModel,
    settings: Mapping[str, int],
    used: Mapping[str, float],
    bottleneck: str | None = "workers",
) -> Prediction | None:
    """Return what to expect with these settings; None where the evidence does not suffice.

    Args:
        profile: The load profile.
        seconds: Length of the load.
        model: What a request needs.
        settings: threads (of each process), connection_limit, processes.
        used: Used shares to expect, which the prediction states.
        bottleneck: What the settings widen.
    """
    threads, processes = settings.get("threads"), settings.get("processes", 1)
    workers = None if threads is None else threads * processes
    if bottleneck == "event_loop":
        workers = processes
    if bottleneck == "cpu" and model.cpu_seconds:
        # Each process computes one request at a time, whatever its threads.
        workers, model = processes, _scaled(model, model.cpu_seconds)
    expected = Simulation(profile, seconds, model, workers).run()
    if expected is None or not expected.rate or not math.isfinite(expected.p99_seconds):
        return None
    return Prediction(
        workload="closed" if profile.open_loop is None else "open",
        settings=settings,
        p99_seconds=expected.p99_seconds,
        rate=expected.rate,
        used=used,
    )


def unloaded(evidence: Evidence) -> ServiceModel | None:
    """Return the model of a request without its waits inside the handler."""
    model = evidence.model
    return None if model is None else _scaled(model, evidence.unloaded_service_seconds)


def _scaled(model: ServiceModel, mean_seconds: float) -> ServiceModel:
    factor = mean_seconds / model.mean_seconds if model.mean_seconds else 1.0
    return ServiceModel(
        tuple(seconds * factor for seconds in model.service_seconds),
        model.overhead_seconds,
        model.think_seconds,
        model.cpu_seconds,
    )


def check(document: RunDocument, earlier: Iterable[RunDocument]) -> PredictionCheck | None:
    """Return the comparison with the latest run that predicted this one; None without any.

    It played the same profile with the same generator against the same kind of server, and advised
    the settings of this run.
    """
    figures = document.figures
    if figures is None or document.server is None:
        return None
    p99, rate = figures.client.latency_including_waiting_seconds.get("p99"), figures.client.rate
    if not p99 or rate is None:
        return None
    for run in sorted(earlier, key=lambda run: run.started, reverse=True):
        predicted = run.diagnosis.prediction if run.diagnosis else None
        if predicted and _is_of(run, predicted, document):
            return PredictionCheck(run.id, predicted, p99, rate)
    return None


def _is_of(run: RunDocument, predicted: Prediction, document: RunDocument) -> bool:
    """Return whether an earlier run's prediction is of a later run."""
    return (
        run.id != document.id
        and run.started <= document.started
        and run.server is not None
        and document.server is not None
        and run.server.kind == document.server.kind
        and run.profile == document.profile
        and run.generator == document.generator
        and dict(predicted.settings) == document.server.settings
    )
