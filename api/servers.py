"""The example API under gunicorn and uvicorn: their own commands, on a socket that is bound."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

SERVES_VARIABLE = "API_SERVES"
"""Set where a server imports the application to serve it, and not to look at it."""


def gunicorn_command(descriptor: int, processes: int, threads: int, connections: int) -> list[str]:
    """Return the command of gunicorn: threaded workers, or sync ones with a single thread."""
    return [
        *("-m", "gunicorn", "--bind", f"fd://{descriptor}", "--workers", str(processes)),
        *("--threads", str(threads), "--worker-connections", str(connections)),
        *("--log-level", "warning", "api.factory:create_app()"),
    ]


def uvicorn_command(descriptor: int, processes: int, connections: int | None) -> list[str]:
    """Return the command of uvicorn; beyond `connections` it answers 503, None is no limit."""
    limit = () if connections is None else ("--limit-concurrency", str(connections))
    return [
        *("-m", "uvicorn", "--fd", str(descriptor), "--workers", str(processes), *limit),
        *("--log-level", "warning", "--no-access-log"),
        *("--factory", "api.fastapi_app:create_app"),
    ]


def become(command: list[str], listener: socket.socket, settings: Mapping[str, str]) -> NoReturn:
    """Turn this process into the server, which inherits the socket and reads the settings."""
    listener.set_inheritable(True)
    environment = {**os.environ, **settings, SERVES_VARIABLE: "1"}
    os.execve(sys.executable, [sys.executable, "-P", *command], environment)  # noqa: S606 -- no shell
