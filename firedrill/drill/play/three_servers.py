"""The drill of `firedrill drill`: one load profile against three ways to serve the same API."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from firedrill.drill.play.run import play_in_turn
from firedrill.stack.plan import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firedrill.drill.play.request import Request
    from firedrill.interrupt import Interrupt
    from firedrill.record.run_folder import Run
    from firedrill.terminal import Terminal

SERVERS = (
    Server("dev"),
    Server("waitress"),
    Server("waitress", threads=64, connection_limit=1000),
)
"""Flask's development server, a production server with its defaults, and the same one tuned."""


def play_all(request: Request, console: Terminal, interrupt: Interrupt) -> Iterator[Run]:
    """Play the request once against each server; ends early when interrupted.

    Raises what `run.play` raises.
    """
    requests = [replace(request, server=server) for server in SERVERS]
    titles = [served.title for served in requests]
    return play_in_turn(list(zip(titles, requests, strict=True)), console, interrupt)
