"""What an alert did in a recorded run, held against what was wrong in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill.alerts.backtest import causes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firedrill.alerts.backtest.causes import Cause
    from firedrill.alerts.replay.alert_state import Episode


@dataclass(frozen=True, slots=True)
class Detection:
    """How an alert met a cause that concerns it. Seconds."""

    cause: str
    delay_seconds: float | None
    """None where it did not fire, or is undecided."""
    undecided: bool = False
    """It was active already when the cause began, and fired: it neither detected nor missed it."""
    began: float = 0.0
    """When the cause did: in Unix seconds, and in a report since the load began."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What one alert can be held against."""

    concerning: tuple[Cause, ...]
    lingers_seconds: float
    """How much longer it may owe its firing to a cause that is over."""

    @classmethod
    def about(cls, alert: str, all_causes: Iterable[Cause], lingers_seconds: float) -> Truth:
        """Of an alert with this name."""
        return cls(tuple(causes.concerning(alert, tuple(all_causes))), lingers_seconds)

    def cause_of(self, one: Episode) -> Cause | None:
        """The latest cause that was there when it became active, and when it fired or not too long before."""
        if one.firing_ms is None:
            return None
        active, fired = one.active_ms / 1000, one.firing_ms / 1000
        fitting = [
            cause
            for cause in self.concerning
            if cause.start <= active and fired <= cause.end + self.lingers_seconds
        ]
        return fitting[-1] if fitting else None

    def detections(self, found: Iterable[Episode]) -> tuple[Detection, ...]:
        """One for each cause."""
        fired = [one for one in found if one.firing_ms is not None]
        return tuple(self._detection(fired, cause) for cause in self.concerning)

    def _detection(self, fired: list[Episode], cause: Cause) -> Detection:
        if any(
            one.active_ms / 1000 < cause.start and not one.is_over_at(cause.start) for one in fired
        ):
            return Detection(cause.name, None, undecided=True, began=cause.start)
        delays = [
            one.firing_ms / 1000 - cause.start
            for one in fired
            if one.firing_ms is not None and self.cause_of(one) == cause
        ]
        return Detection(cause.name, min(delays, default=None), began=cause.start)
