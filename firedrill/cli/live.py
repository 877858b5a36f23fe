"""The live page of the commands `run`, `drill` and `up`, and its option."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from firedrill.cli.console import ERRORS
from firedrill.drill.play import progress as progress_for
from firedrill.live.live_page import LivePage
from firedrill.live.live_progress import LiveProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from firedrill.drill.play.progress import Progress
    from firedrill.prometheus.client import Prometheus
    from firedrill.record.run_folder import Run
    from firedrill.terminal import Terminal

live_option = click.option(
    "--live/--no-live",
    "is_live",
    default=True,
    help="Show the run on a page of 127.0.0.1 while it goes on. [default: live]",
)


class LiveRuns:
    """The runs of one command on its live page; on the terminal alone where there is no page."""

    def __init__(self, page: LivePage | None) -> None:
        self._page = page
        self.report: Path | None = None
        """The report that the page turns into at its end."""

    def progress(self, console: Terminal, title: str) -> Progress:
        """Return the progress display of the next run."""
        terminal = progress_for.for_console(console, title)
        return LiveProgress(terminal, self._page.add(title)) if self._page else terminal

    def stack(self, title: str) -> Callable[[Prometheus], None]:
        """Return what makes the page follow a stack that is up, of which nobody knows the end."""
        if self._page is None:
            return lambda _: None
        run = self._page.add(title)
        run.phase = "up; Ctrl-C stops everything"
        return run.follow

    def ended(self, run: Run) -> Run:
        """Show the verdict of the latest run."""
        if self._page and self._page.runs:
            self._page.runs[-1].end(str(run.read().status))
        return run


@contextmanager
def live_runs(*, is_live: bool) -> Iterator[LiveRuns]:
    """Serve the live page meanwhile, and print its address first."""
    page = _page() if is_live else None
    runs = LiveRuns(page)
    try:
        yield runs
    finally:
        if page:
            page.close(runs.report)


def _page() -> LivePage | None:
    try:
        page = LivePage()
    except OSError as error:
        ERRORS.say(f"no live page: {error.strerror or error}", "dim")
        return None
    ERRORS.say(f"live page: {page.url}", "dim")
    return page
