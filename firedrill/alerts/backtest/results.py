"""The results of a backtest; `alerts backtest --json` prints these fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firedrill.alerts.backtest.attribution import Detection
    from firedrill.alerts.backtest.causes import Cause
    from firedrill.alerts.replay.environment import RefusedRule


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert from its beginning to its end, in seconds since the load began.

    None for what did not happen.
    """

    labels: dict[str, str]
    pending_after_seconds: float | None
    firing_after_seconds: float | None
    resolved_after_seconds: float | None
    cause: str | None
    """The cause it is attributed to; None for a false fire, and for an alert that never fired."""
    ambiguous: bool
    """Whether the replay cannot be sure of one of these times."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The outcome of one setting of a sweep."""

    hold_seconds: float
    threshold: float | None
    detections: tuple[Detection, ...]
    false_fires: int
    fired_before: int
    """Firings that went on when the load began."""


@dataclass(frozen=True, slots=True)
class AlertResult:
    """The outcome of one alert rule."""

    name: str
    severity: str
    place: str
    evaluations: int
    ambiguous_evaluations: int
    failed_evaluations: int
    hold_seconds: float
    """`for`: nothing new is detected sooner."""
    window_seconds: float
    """How far back it looks: a small fault is detected that much later at worst."""
    fired: tuple[Firing, ...]
    detections: tuple[Detection, ...]
    false_fires: int
    sweep: tuple[Trial, ...] = ()


@dataclass(slots=True)
class Report:
    """The outcome of a backtest."""

    run: str
    stretch: int
    causes: tuple[Cause, ...]
    load_seconds: float
    alerts: list[AlertResult] = field(default_factory=list)
    refused: list[RefusedRule] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
