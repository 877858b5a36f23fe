"""The drill of `firedrill drill`: one load profile against three ways to serve the same API."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from firedrill.drill.play.run import play
from firedrill.stack.plan import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from firedrill.drill.play.progress import Progress
    from firedrill.drill.play.request import Request
    from firedrill.interrupt import Interrupt
    from firedrill.record.diagnosis import Diagnosis
    from firedrill.record.run_folder import Run
    from firedrill.terminal import Terminal

SERVERS = (Server("dev"), Server("waitress"))
"""Flask's development server, and a production server with its defaults."""


def play_all(
    request: Request,
    console: Terminal,
    interrupt: Interrupt,
    progress_of: Callable[[Terminal, str], Progress],
) -> Iterator[Run]:
    """Play the request against each server, and then as the diagnosis of the last run says.

    Ends early when interrupted, and after two runs where the diagnosis predicts nothing. Raises
    what `run.play` raises.
    """
    server: Server | None = None
    for number in range(1, len(SERVERS) + 2):
        server = SERVERS[number - 1] if number <= len(SERVERS) else server
        if server is None:
            console.say("no third run: the diagnosis of the second advises no other setting")
            return
        served = replace(request, server=server)
        progress = progress_of(console, f"{number}/{len(SERVERS) + 1} {served.title}")
        try:
            run = play(served, interrupt, progress)
        finally:
            progress.close()
        yield run
        if interrupt.requested:
            return
        server = advised(run.read().diagnosis)


def advised(diagnosis: Diagnosis | None) -> Server | None:
    """Return the server with the settings that a diagnosis advises; None without a prediction."""
    settings = diagnosis.prediction.settings if diagnosis and diagnosis.prediction else {}
    if not settings or not {"threads", "connection_limit"}.issuperset(settings):
        return None
    return Server("waitress", settings.get("threads"), settings.get("connection_limit"))
