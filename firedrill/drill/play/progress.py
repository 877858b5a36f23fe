"""The progress of a run on stderr: a live panel on a terminal, else a line every ten seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from rich.console import Group
from rich.live import Live as Screen
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from firedrill import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.drill.play.live_figures import Live
    from firedrill.notifications.notification import Notification
    from firedrill.prometheus.client import Prometheus
    from firedrill.terminal import Terminal

LINE_EVERY_SECONDS = 10.0

SHOWN_NOTIFICATIONS = 3
"""Number of the latest notifications in the panel."""


class Progress(Protocol):
    """Shows a person how a run goes."""

    def follow(self, prom: Prometheus) -> None:
        """Take the series of this Prometheus, if the display shows any."""

    def phase(self, text: str) -> None:
        """Show what is being done now."""

    def show(self, live: Live, elapsed_seconds: float, duration_seconds: float | None) -> None:
        """Show the current figures, under load."""

    def notified(self, notifications: Sequence[Notification]) -> None:
        """Show notifications that have just arrived."""

    def close(self) -> None:
        """End the display."""


def for_console(console: Terminal, title: str) -> Progress:
    """Return the progress display that suits a terminal, or a file."""
    return (
        Panels(console, title)
        if console.is_terminal and not console.is_dumb_terminal
        else Lines(console, title)
    )


class Lines:
    """Plain lines, for logs and CI."""

    def __init__(self, console: Terminal, title: str) -> None:
        self._console = console
        self._title = title
        self._next = 0.0

    def follow(self, prom: Prometheus) -> None:
        """Do nothing: lines show the figures they are given."""

    def phase(self, text: str) -> None:
        """Print a line at once."""
        self._print(text)

    def show(self, live: Live, elapsed_seconds: float, duration_seconds: float | None) -> None:
        """Print a line, if ten seconds have passed since the last one."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LINE_EVERY_SECONDS
        figures = ", ".join(f"{name} {value}" for name, value in live.cells().items())
        self._print(f"{_clock(elapsed_seconds, duration_seconds)}: {figures}")

    def notified(self, notifications: Sequence[Notification]) -> None:
        """Print a line for each notification."""
        for notification in notifications:
            self._print(notification.line())

    def close(self) -> None:
        """Do nothing."""

    def _print(self, text: str) -> None:
        self._console.say(f"{self._title}: {text}")


class Panels:
    """A live panel, for a person at a terminal."""

    def __init__(self, console: Terminal, title: str) -> None:
        self._title = title
        self._body: Table | Text = Text("")
        self._notifications: list[Text] = []
        self._bar = ProgressBar(total=1.0, completed=0)
        self._screen = Screen(console=console, refresh_per_second=4, transient=True)
        self._screen.start()

    def follow(self, prom: Prometheus) -> None:
        """Do nothing: the panel shows the figures it is given."""

    def phase(self, text: str) -> None:
        """Show the text below the last figures."""
        self._draw(text)

    def show(self, live: Live, elapsed_seconds: float, duration_seconds: float | None) -> None:
        """Show the figures under their titles, and a bar."""
        table = Table.grid(padding=(0, 2))
        cells = live.cells()
        table.add_row(*(Text(name, style="dim") for name in cells))
        table.add_row(*(Text(value, style=_style(name, live)) for name, value in cells.items()))
        self._body = table
        self._bar = ProgressBar(
            total=duration_seconds or 1.0,
            completed=elapsed_seconds if duration_seconds else 0,
            pulse=duration_seconds is None,
        )
        self._draw(_clock(elapsed_seconds, duration_seconds))

    def notified(self, notifications: Sequence[Notification]) -> None:
        """Keep the notifications for the next drawing, below the figures."""
        lines = [
            Text(note.line(), style=_urgency(note), no_wrap=True, overflow="ellipsis")
            for note in notifications
        ]
        self._notifications = [*self._notifications, *lines][-SHOWN_NOTIFICATIONS:]

    def close(self) -> None:
        """Remove the panel; the next output takes its place."""
        self._screen.stop()

    def _draw(self, text: str) -> None:
        foot = Table.grid(padding=(0, 2), expand=True)
        foot.add_column(ratio=1)
        foot.add_column(justify="right")
        foot.add_row(self._bar, Text(text, style="dim"))
        self._screen.update(
            Panel(
                Group(self._body, *self._notifications, foot),
                title=Text(self._title),
                title_align="left",
            )
        )


def _style(name: str, live: Live) -> str:
    starving = name == "starved" and (live.starved or 0) > 0
    full = name == "headroom" and live.headroom_ratio is not None and live.headroom_ratio < 0.1
    return "bold red" if starving or full else "bold"


def _urgency(notification: Notification) -> str:
    return (
        "bold red" if notification.receiver == "page" and notification.status == "firing" else "dim"
    )


def _clock(elapsed_seconds: float, duration_seconds: float | None) -> str:
    if duration_seconds is None:
        return f"{units.seconds(elapsed_seconds)} under load, until stopped (Ctrl-C)"
    left = max(0.0, duration_seconds - elapsed_seconds)
    return f"{elapsed_seconds:.0f} of {duration_seconds:.0f} s, {left:.0f} s left"
