"""A progress display that tells the live page what it shows on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.drill.play.live_figures import Live
    from firedrill.drill.play.progress import Progress
    from firedrill.live.live_run import LiveRun
    from firedrill.notifications.notification import Notification
    from firedrill.prometheus.client import Prometheus

SHOWN_NOTIFICATIONS = 5


class LiveProgress:
    """Shows a run on the terminal and on the live page."""

    def __init__(self, terminal: Progress, run: LiveRun) -> None:
        self._terminal = terminal
        self._run = run

    def follow(self, prom: Prometheus) -> None:
        """Draw the series of this Prometheus."""
        self._terminal.follow(prom)
        self._run.follow(prom)

    def phase(self, text: str) -> None:
        """Show what is being done now."""
        self._run.phase = text
        self._terminal.phase(text)

    def show(self, live: Live, elapsed_seconds: float, duration_seconds: float | None) -> None:
        """Show the time that has passed, and the figures on the terminal."""
        self._run.phase = "load"
        self._run.elapsed_seconds = elapsed_seconds
        self._run.duration_seconds = duration_seconds
        self._terminal.show(live, elapsed_seconds, duration_seconds)

    def notified(self, notifications: Sequence[Notification]) -> None:
        """Show notifications that have just arrived."""
        lines = [notification.line() for notification in notifications]
        self._run.notifications = [*self._run.notifications, *lines][-SHOWN_NOTIFICATIONS:]
        self._terminal.notified(notifications)

    def close(self) -> None:
        """End the display on the terminal; the page keeps what it has."""
        self._run.leave()
        self._terminal.close()
