"""The diagnosis of a run, as it stands in run.json: stages, bottleneck, advice, prediction.

Units: seconds, ratios, requests a second. None means that there is no such figure.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 -- pydantic reads the annotations
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StageUse:
    """The use of one stage that every request passes, over the whole load."""

    stage: str
    """generator, slots, backlog, file_descriptors, connections, workers, event_loop, downstream or
    cpu; from the client to the handler."""
    role: str
    """`bottleneck`, `consequence` of a stage behind it (back-pressure), `next_limit` at the offered
    load, `free`, or `unknown` where its use was not measured."""
    used_max: float | None = None
    """Largest used share of its limit that lasted for two windows."""
    waiting_max: float | None = None
    """Most that waited in front of it; for generator and cpu the mean delay in seconds."""
    saturated_after_seconds: float | None = None
    saturated_seconds: float = 0.0
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class SettingAdvice:
    """A setting to change."""

    setting: str
    """threads, connection_limit, processes, generator_workers or slots."""
    at_least: int
    """The smallest value that can carry the offered load."""
    recommended: int
    derivation: str
    """The numbers that it follows from."""


@dataclass(frozen=True, slots=True)
class ServiceModel:
    """The needs of a request apart from all waiting, as measured. Predictions follow from it."""

    service_seconds: tuple[float, ...]
    """Times for which a request holds a worker, each as likely as the others, in order."""
    overhead_seconds: float
    """Mean time from the client to the server and back."""
    think_seconds: float | None
    """Mean pause between two requests of a user; None in an open workload, or where unknown."""
    cpu_seconds: float | None
    """CPU time of the server for a request."""

    @property
    def mean_seconds(self) -> float:
        """Mean time for which a request holds a worker."""
        return sum(self.service_seconds) / len(self.service_seconds)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The figures to expect of the same profile once the advice is followed."""

    workload: str
    """`closed` or `open`: the workload for which it holds."""
    settings: Mapping[str, int]
    p99_seconds: float
    rate: float
    used: Mapping[str, float] = field(default_factory=dict)
    """Used share of the limits, by stage, at the highest load."""


@dataclass(frozen=True, slots=True)
class PredictionCheck:
    """The prediction of an earlier run, and what was measured with the setting that it advised."""

    run: str
    """Id of the run that predicted."""
    predicted: Prediction
    p99_seconds: float
    rate: float

    @property
    def p99_error(self) -> float:
        """Measured p99 against the prediction: 0.1 is a tenth above it."""
        return self.p99_seconds / self.predicted.p99_seconds - 1

    @property
    def rate_error(self) -> float:
        """Measured rate against the prediction."""
        return self.rate / self.predicted.rate - 1


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The stage that limited the run, the reason, and the change that would help."""

    bottleneck: str | None
    """The deepest saturated stage; None where no stage was saturated."""
    remedy: str
    """`threads`, `connections`, `processes`, `slots`, `generator`, `downstream` (neither threads
    nor processes help), `asynchronous` (calls that block an event loop), `file_descriptors`,
    `backlog`, or `none`."""
    findings: tuple[str, ...]
    """Sentences: the bottleneck with its evidence, next limits, advice, prediction."""
    stages: tuple[StageUse, ...] = ()
    advice: tuple[SettingAdvice, ...] = ()
    prediction: Prediction | None = None
    model: ServiceModel | None = None
    missing: tuple[str, ...] = ()
    """Evidence that was not there, as sentences."""
    check: PredictionCheck | None = None

    @property
    def settings(self) -> Mapping[str, int]:
        """The advised settings."""
        return {advice.setting: advice.recommended for advice in self.advice}
