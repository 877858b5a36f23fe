"""Names that only one process of this machine can have at a time, such as a port or a run's id."""

from __future__ import annotations

import errno
import socket
import sys


def reserve(name: str) -> socket.socket | None:
    """Reserve a name until the socket is closed or its process ends; None if another has it.

    Linux keeps such names beside the ports: one list for each network namespace, for all users, and
    without files that could be left behind. Elsewhere, and where a policy forbids it, nothing is
    reserved.
    """
    reservation = socket.socket(socket.AF_UNIX)
    if sys.platform == "linux":
        try:
            reservation.bind(f"\0firedrill-{name}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reservation.close()
                return None
    return reservation


_KEPT: list[socket.socket] = []


def keep(name: str) -> bool:
    """Reserve a name until this process ends; False if any process has it, this one included."""
    reservation = reserve(name)
    if reservation:
        _KEPT.append(reservation)
    return reservation is not None
