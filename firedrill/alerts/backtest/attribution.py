"""Attribution of an alert's firings to causes, and how soon the alert detected each cause."""

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
    """Whether and how soon an alert detected a cause that concerns it."""

    cause: str
    delay_seconds: float | None
    """None if the alert did not fire, or the detection is undecided."""
    undecided: bool = False
    """The alert was active when the cause began, and fired: neither detected nor missed."""
    began: float = 0.0
    """The cause's start: Unix seconds; in a report, seconds since the load's start."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """The causes that concern one alert, and for how long after them it may still fire."""

    causes: tuple[Cause, ...]
    window_seconds: float

    @classmethod
    def for_alert(
        cls, alert: str, all_causes: Iterable[Cause], window_seconds: float
    ) -> Attribution:
        """Return the attribution of an alert with this name."""
        return cls(tuple(causes.for_alert(alert, tuple(all_causes))), window_seconds)

    def cause_of(self, episode: Episode) -> Cause | None:
        """Return the latest cause of a firing; None for a false fire, and without a firing.

        A cause began before the alert became active, and ended no longer than the window before
        the alert fired.
        """
        if episode.firing_ms is None:
            return None
        active, fired = episode.active_ms / 1000, episode.firing_ms / 1000
        fitting = [
            cause
            for cause in self.causes
            if cause.start <= active and fired <= cause.end + self.window_seconds
        ]
        return fitting[-1] if fitting else None

    def detections(self, episodes: Iterable[Episode]) -> tuple[Detection, ...]:
        """Return how the alert met each cause."""
        fired = [episode for episode in episodes if episode.firing_ms is not None]
        return tuple(self._detection(fired, cause) for cause in self.causes)

    def _detection(self, fired: list[Episode], cause: Cause) -> Detection:
        if any(
            episode.active_ms / 1000 < cause.start and not episode.is_over_at(cause.start)
            for episode in fired
        ):
            return Detection(cause.name, None, undecided=True, began=cause.start)
        delays = [
            episode.firing_ms / 1000 - cause.start
            for episode in fired
            if episode.firing_ms is not None and self.cause_of(episode) == cause
        ]
        return Detection(cause.name, min(delays, default=None), began=cause.start)
