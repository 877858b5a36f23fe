"""The processes of a tree and the TCP ports on which they listen, from Linux's /proc."""

from __future__ import annotations

import ipaddress
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROC = Path("/proc")
_LISTEN = "0A"
"""State of a listener in /proc/net/tcp."""
METRICS_PROCESS = b"firedrill.telemetry.metrics_process"
"""Word of the command line of an application's metrics process, which is ours."""


class Socket(NamedTuple):
    """A listening TCP socket of /proc/net/tcp."""

    address: str
    port: int
    inode: int


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes below a process, zombies excluded."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    waiting = list(children.get(pid, ()))
    while waiting:
        child = waiting.pop()
        found.append(child)
        waiting += children.get(child, ())
    return found


def applications(pid: int) -> list[int]:
    """Return the processes below a process without the metrics processes of its applications."""
    return [child for child in descendants(pid) if not is_metrics_process(child)]


def is_metrics_process(pid: int) -> bool:
    """Return whether a process is the metrics endpoint of an instrumented application."""
    return METRICS_PROCESS in command_line(pid)


def command_line(pid: int) -> bytes:
    """Return the words of a process's command, ended by NUL each; empty if it is gone."""
    with suppress(OSError):
        return (PROC / str(pid) / "cmdline").read_bytes()
    return b""


def stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; empty if the process is gone."""
    with suppress(OSError):
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    return []


def _parents() -> Iterator[tuple[int, int]]:
    for entry in os.scandir(PROC):
        if entry.name.isdigit():
            fields = stat(int(entry.name))
            if len(fields) > 1 and fields[0] not in {"Z", "X"}:
                yield int(entry.name), int(fields[1])


def listeners(pids: Iterable[int]) -> list[Socket]:
    """Return the listening TCP sockets that one of these processes has open."""
    inodes = open_sockets(pids)
    return [socket for socket in _listening_sockets() if socket.inode in inodes]


def open_sockets(pids: Iterable[int]) -> set[int]:
    """Return the inodes of all sockets that these processes have open."""
    inodes = set()
    for pid in pids:
        with suppress(OSError):
            for entry in (PROC / str(pid) / "fd").iterdir():
                with suppress(OSError):
                    target = str(entry.readlink())
                    if target.startswith("socket:["):
                        inodes.add(int(target[8:-1]))
    return inodes


def _listening_sockets() -> Iterator[Socket]:
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN:
                    address, _, port = fields[1].partition(":")
                    yield Socket(_address(address), int(port, 16), int(fields[9]))


def _address(text: str) -> str:
    """Return an address that the kernel writes as words of the machine's byte order."""
    words = (int(text[at : at + 8], 16) for at in range(0, len(text), 8))
    packed = b"".join(word.to_bytes(4, "little") for word in words)
    return str(ipaddress.ip_address(packed))
