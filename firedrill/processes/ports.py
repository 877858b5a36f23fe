"""Free TCP ports on loopback."""

from __future__ import annotations

import itertools
import secrets
import socket
from typing import TYPE_CHECKING

from firedrill.contract import LOOPBACK
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT_RANGE = range(20_000, 32_768)
"""Ports to choose from.

They are below those that Linux gives to outgoing connections, of which a load opens thousands.
"""

_START = secrets.randbelow(len(PORT_RANGE))
_CANDIDATES: Iterator[int] = itertools.cycle((*PORT_RANGE[_START:], *PORT_RANGE[:_START]))
"""A random start in each process, so that two of them seldom choose the same port."""


def is_free(port: int) -> bool:
    """Return whether nobody listens on the port of 127.0.0.1."""
    with socket.socket() as probe:
        # As the servers themselves bind: a port in TIME_WAIT is free to a listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """Return a port that is free now."""
    return next(port for port in _CANDIDATES if is_free(port))


def choose(
    asked: int | None, default: int, option: str, avoid: frozenset[int] = frozenset()
) -> int:
    """Return the port that was asked for, else the default, else (if that is taken) a free one.

    Raises:
        BadInput: the port that was asked for is taken; the message names the option.
    """
    if asked is not None:
        if asked in avoid or not is_free(asked):
            raise BadInput(
                f"{option} {asked}: port {asked} of {LOOPBACK} is taken; expected a free one"
            )
        return asked
    return default if default not in avoid and is_free(default) else any_free()
