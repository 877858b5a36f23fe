"""The runs of a search, one after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from firedrill.drill.play import progress as progress_for
from firedrill.drill.play.run import play
from firedrill.hardening.search import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firedrill.drill.play.request import Request
    from firedrill.hardening.search import Search, Setting, Step
    from firedrill.interrupt import Interrupt
    from firedrill.record.run_folder import Run
    from firedrill.terminal import Terminal


def served(request: Request, setting: Setting) -> Request:
    """Return the request with a setting of the bundled API's server."""
    return replace(request, server=request.server.with_settings(setting))


def play_all(
    request: Request, search: Search, console: Terminal, interrupt: Interrupt
) -> Iterator[tuple[Run, Step]]:
    """Play every setting that the search asks for; yield each run with its step.

    Ends early when interrupted. Raises what `run.play` raises.
    """
    while (step := search.next()).setting is not None and not interrupt.requested:
        asked = served(request, step.setting)
        title = f"run {len(search.trials) + 1} of at most {search.most_runs}, {asked.title}"
        progress = progress_for.for_console(console, title)
        try:
            run = play(asked, interrupt, progress)
        finally:
            progress.close()
        search.trials.append(Trial(step.setting, step.predicted, run.read()))
        yield run, step
