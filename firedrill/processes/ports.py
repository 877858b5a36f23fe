"""TCP ports on loopback, each held from its choice until its part of the stack has bound it."""

from __future__ import annotations

import itertools
import secrets
import socket
import sys
import time
from typing import TYPE_CHECKING

from firedrill.contract import LOOPBACK
from firedrill.errors import BadInput
from firedrill.processes.reservations import reserve

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT_RANGE = range(20_000, 32_768)
"""Ports to choose from.

They are below those that Linux gives to outgoing connections, of which a load opens thousands.
"""

_START = secrets.randbelow(len(PORT_RANGE))
_CANDIDATES: Iterator[int] = itertools.cycle((*PORT_RANGE[_START:], *PORT_RANGE[:_START]))
"""A random start in each process, so that two of them seldom try the same port."""


class HeldPort:
    """A port of 127.0.0.1 that no other process can get until it is released.

    No other Firedrill chooses it, and nobody else can listen on it: a socket of ours is bound to
    it. A child that inherits this socket has the port from the first moment (`lend`). Programs that
    bind by themselves get it by `share`, and containers by `hand_over`.
    """

    def __init__(self, number: int, bound: socket.socket, reservation: socket.socket) -> None:
        self.number = number
        self._bound = bound
        self._reservation = reservation

    def lend(self) -> socket.socket:
        """Return the bound socket for a child, which listens on it; close it once it has that."""
        return self._bound

    def share(self) -> None:
        """Let a child bind the port by itself, as servers do (SO_REUSEADDR)."""
        if sys.platform == "linux":
            self._bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            self.hand_over()

    def hand_over(self) -> None:
        """Let anybody bind the port; other Firedrills still keep away from it."""
        self._bound.close()

    def release(self) -> None:
        """Give the port up; a child that has bound it keeps it."""
        self.hand_over()
        self._reservation.close()


def hold(port: int) -> HeldPort | None:
    """Hold a port; None if somebody listens on it or holds it."""
    reservation = reserve(f"port-{port}")
    if reservation is None:
        return None
    bound = socket.socket()
    # As the servers themselves bind: a port in TIME_WAIT is free to a listener.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        reservation.close()
        return None
    # From now on the kernel lets nobody else listen.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    return HeldPort(port, bound, reservation)


def hold_any() -> HeldPort:
    """Hold a port that is free."""
    return next(held for held in map(hold, _CANDIDATES) if held)


def is_free(port: int) -> bool:
    """Return whether nobody listens on the port of 127.0.0.1, or holds it."""
    held = hold(port)
    if held:
        held.release()
    return held is not None


def any_free() -> int:
    """Return a port that is free now, and not held."""
    held = hold_any()
    held.release()
    return held.number


def wait_until_refused(port: int, patience_seconds: float) -> None:
    """Wait until nobody listens on the port of 127.0.0.1 any more, or patience ends."""
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        with socket.socket() as client:
            client.settimeout(1.0)
            if client.connect_ex((LOOPBACK, port)):
                return
        time.sleep(0.05)


def choose(asked: int | None, default: int, option: str) -> HeldPort:
    """Hold the port that was asked for, else the default, else (if that is taken) a free one.

    Raises:
        BadInput: the port that was asked for is taken; the message names the option.
    """
    if asked is None:
        return hold(default) or hold_any()
    held = hold(asked)
    if held is None:
        raise BadInput(
            f"{option} {asked}: port {asked} of {LOOPBACK} is taken; expected a free one"
        )
    return held
