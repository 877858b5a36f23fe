"""An outage: the API's port refuses connections for a while, and open ones are closed.

It works on every server. To a client this is a process that ended. The process itself goes on, so
that it can come back: in a container it may be the first one, which no signal stops.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NamedTuple

from firedrill.contract import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_TCP_INFO_QUEUE = struct.Struct("=24xII")
"""TCP_INFO of a listener: connections in its accept queue, and the most that it holds."""


class ClosedListener(NamedTuple):
    """A closed listener: the socket that holds its address, its backlog and its descriptors."""

    placeholder: socket.socket
    backlog: int
    descriptors: tuple[int, ...]


class Outage:
    """Closes the listeners of this process, and opens them again."""

    def __init__(self, spared_ports: frozenset[int] = frozenset()) -> None:
        """Leave the listeners on these ports open: the metrics endpoint shares its own with us."""
        self._spared_ports = spared_ports
        self._closed: list[ClosedListener] = []
        self._stand_in: socket.socket | None = None
        self._ports: frozenset[int] = frozenset()

    def follow(self, size: float) -> None:
        """Refuse connections while `size` is not 0."""
        if size and not self._stand_in:
            self._begin()
        elif size:
            # Hang up connections whose accept() was under way when the listener was replaced.
            _hang_up_connections(self._ports)
        elif self._stand_in:
            self._end(self._stand_in)

    def _begin(self) -> None:
        with ExitStack() as copies:
            held = {descriptor: copies.enter_context(copy) for descriptor, copy in _sockets()}
            listeners = {
                descriptor: copy
                for descriptor, copy in held.items()
                if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                and copy.getsockname()[1] not in self._spared_ports
            }
            addresses = {copy.getsockname()[:2] for copy in listeners.values()}
            self._ports = frozenset(port for _, port in addresses)
            # The server goes on polling its descriptors. It finds a listener there that no client
            # knows, so that it is never ready.
            self._stand_in = socket.create_server((LOOPBACK, 0))
            self._stand_in.setblocking(False)
            for descriptor in listeners:
                os.dup2(self._stand_in.fileno(), descriptor, inheritable=False)
            _knock(self._stand_in)
            # Before the port refuses, so that a client that is refused finds every other connection
            # closed as well, as with an ended process.
            _hang_up_connections(self._ports)
            for address in addresses:
                same_address = {
                    descriptor: copy
                    for descriptor, copy in listeners.items()
                    if copy.getsockname()[:2] == address
                }
                self._closed.append(self._close(same_address))

    @staticmethod
    def _close(copies: dict[int, socket.socket]) -> ClosedListener:
        listener = next(iter(copies.values()))
        address, family = listener.getsockname(), listener.family
        blocking = os.get_blocking(listener.fileno())
        _, backlog = _TCP_INFO_QUEUE.unpack(
            listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_QUEUE.size)
        )
        _hang_up(listener)
        placeholder = socket.socket(family)
        placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        placeholder.bind(address)  # and not listening: the port stays ours, and refuses
        placeholder.setblocking(blocking)
        return ClosedListener(placeholder, backlog, tuple(copies))

    def _end(self, stand_in: socket.socket) -> None:
        for closed in self._closed:
            closed.placeholder.listen(closed.backlog)
            for descriptor in closed.descriptors:
                os.dup2(closed.placeholder.fileno(), descriptor, inheritable=False)
            _knock(closed.placeholder)
            closed.placeholder.close()
        self._closed.clear()
        _knock(stand_in)
        stand_in.close()
        self._stand_in = None


def _sockets() -> Iterator[tuple[int, socket.socket]]:
    """Yield a copy of every TCP socket of this process, with the descriptor of the original."""
    # The list is complete before the first copy is made, which gets the number of the listing.
    copies: set[int] = set()
    numbers = map(int, os.listdir("/proc/self/fd"))  # noqa: PTH208 -- numbers
    for descriptor in list(filter(_is_socket, numbers)):
        if descriptor in copies:  # closed under us, and a copy got its number
            continue
        with suppress(OSError):  # closed under us
            copy = socket.socket(fileno=os.dup(descriptor))
            copies.add(copy.fileno())
            if copy.family in _FAMILIES and copy.type == socket.SOCK_STREAM:
                yield descriptor, copy
            else:
                copy.close()


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def _knock(listener: socket.socket) -> None:
    """Connect to a listener, so that a server that polls it wakes and polls its new descriptors."""
    with suppress(OSError):
        socket.create_connection(listener.getsockname()[:2], timeout=1).close()


def _hang_up_connections(ports: frozenset[int]) -> None:
    """Hang up every open connection to one of these ports of this process."""
    for _, copy in _sockets():
        with copy, suppress(OSError):  # not connected: a listener
            copy.getpeername()
            if copy.getsockname()[1] in ports:
                _hang_up(copy)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # it was hung up already
        connection.shutdown(socket.SHUT_RDWR)
