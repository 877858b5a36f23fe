"""Bound sockets that a process inherits from the one that chose its ports. Standard library only.

The parent names them in an environment variable: `8080=5 9464=6` are ports and descriptors.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = "FIREDRILL_SOCKETS"


def environment(sockets: Sequence[socket.socket]) -> dict[str, str]:
    """Return the variable for a child that inherits these sockets."""
    entries = (f"{bound.getsockname()[1]}={bound.fileno()}" for bound in sockets)
    return {VARIABLE: " ".join(entries)} if sockets else {}


def _entries() -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in os.environ.get(VARIABLE, "").split())


def has(port: int) -> bool:
    """Return whether a socket of this port was inherited and not used yet."""
    return str(port) in _entries()


def listener(host: str, port: int, backlog: int) -> socket.socket | None:
    """Listen on the inherited socket of an address; None if there is none, or it is of another."""
    entries = _entries()
    try:
        inherited = socket.socket(fileno=int(entries.pop(str(port), "")))
    except (OSError, ValueError):
        return None  # None was passed, or the variable is another process's.
    os.environ[VARIABLE] = " ".join(map("=".join, entries.items()))
    name = inherited.getsockname()
    if name[1:2] != (port,):
        inherited.detach()
        return None
    if name[0] != host:
        inherited.close()
        return None
    inherited.set_inheritable(False)
    # It is bound already; connections in TIME_WAIT shall not keep the next run from the port.
    inherited.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    inherited.listen(backlog)
    return inherited
