"""Readings from the kernel about a process: its sockets, its control group, pressure.

The metrics process reads them, so the application pays nothing. A reading is absent where the
kernel, the container or a permission does not give it; nothing is guessed.
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from firedrill.contract import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from firedrill.contract import Metric

    Reading = tuple[Metric, tuple[str, ...], float]

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_HEADER = struct.Struct("=IHHII")
_QUERY = struct.Struct("=BBBxI48x")
_ANSWER = struct.Struct("=BBBB")
_PORT = struct.Struct("!H")
_COUNTS = struct.Struct("=IIII")
_LISTEN = 10
_LISTENING = 1 << _LISTEN
_OPEN = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9
"""ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK; TIME_WAIT has no owner any more."""

_UNLIMITED_BYTES = 1 << 60
"""A limit from which on there is none: cgroup v1 writes the largest multiple of a page."""


class TcpSocket(NamedTuple):
    """A row of the kernel's table of TCP sockets.

    In a listener's accept queue are `queued` of at most `queue_limit` connections.
    """

    state: int
    port: int
    queued: int
    queue_limit: int
    inode: int
    """0 while a connection is in the accept queue and after the application closed it."""


def tcp_sockets() -> list[TcpSocket]:
    """Return listeners and open connections of this network namespace, IPv4 and IPv6.

    The list is empty where the kernel does not tell.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as link:
            return [
                row for family in (socket.AF_INET, socket.AF_INET6) for row in _dump(link, family)
            ]
    except OSError:
        return []


def _dump(link: socket.socket, family: int) -> Iterator[TcpSocket]:
    query = _QUERY.pack(family, socket.IPPROTO_TCP, 0, _LISTENING | _OPEN)
    link.send(
        _HEADER.pack(_HEADER.size + len(query), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0) + query
    )
    while True:
        data, at = link.recv(1 << 18), 0
        while at < len(data):
            length, kind, *_ = _HEADER.unpack_from(data, at)
            if kind != _SOCK_DIAG_BY_FAMILY:
                return
            yield _row(data, at + _HEADER.size)
            at += (length + 3) & ~3  # netlink aligns its messages to four bytes


def _row(data: bytes, at: int) -> TcpSocket:
    _, state, _, _ = _ANSWER.unpack_from(data, at)
    (port,) = _PORT.unpack_from(data, at + 4)
    queued, limit, _, inode = _COUNTS.unpack_from(data, at + 56)
    return TcpSocket(state, port, queued, limit, inode)


def owned_inodes(pid: int) -> frozenset[int]:
    """Return the inodes of the sockets that the process holds open."""
    inodes = set()
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            # Called a thousand times a scrape, and a Path costs more than the call.
            target = os.readlink(entry.path)  # noqa: PTH115
            if target.startswith("socket:["):
                inodes.add(int(target[8:-1]))
    except OSError:
        pass  # a descriptor was closed, or the process ended: the inodes so far still hold
    return frozenset(inodes)


def socket_readings(rows: list[TcpSocket], owned: frozenset[int]) -> Iterator[Reading]:
    """Yield the accept queues of the process's ports, and its accepted connections."""
    listeners = {row.port: row for row in rows if row.state == _LISTEN and row.inode in owned}
    for port, row in sorted(listeners.items()):
        yield Server.LISTEN_BACKLOG, (str(port),), row.queued
        yield Server.LISTEN_BACKLOG_LIMIT, (str(port),), row.queue_limit
    if listeners:
        yield (
            Server.CONNECTIONS,
            (),
            sum(row.state != _LISTEN and row.port in listeners and row.inode != 0 for row in rows),
        )


def overflow_readings(netstat: str) -> Iterator[Reading]:
    """Yield accept-queue overflows, from /proc/net/netstat's pairs of lines (names, values)."""
    lines = [line.split() for line in netstat.splitlines()]
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        if names[0] == "TcpExt:" and "ListenOverflows" in names:
            yield Server.LISTEN_OVERFLOWS, (), float(values[names.index("ListenOverflows")])


def pressure_readings(proc: Path = Path("/proc")) -> Iterator[Reading]:
    """Yield the stall time of the whole machine."""
    for name, metric in (
        ("cpu", Server.PRESSURE_CPU),
        ("memory", Server.PRESSURE_MEMORY),
        ("io", Server.PRESSURE_IO),
    ):
        for line in read(proc / "pressure" / name).splitlines():
            if line.startswith("some "):
                yield metric, (), int(line.rpartition("total=")[2]) / 1e6  # microseconds


def cgroup_readings(cgroups: str, mount: Path = Path("/sys/fs/cgroup")) -> Iterator[Reading]:
    """Yield CPU quota and memory of a control group, version 2 or version 1.

    `cgroups` is the text of /proc/PID/cgroup, which names it.
    """
    paths = dict(controllers_and_path(cgroups))
    if (mount / "cgroup.controllers").exists():
        yield from _version_2(_folder(mount, paths.get("", "/")))
    else:
        yield from _cpu_version_1(_folder(mount / "cpu", paths.get("cpu", "/")))
        yield from _memory_version_1(_folder(mount / "memory", paths.get("memory", "/")))


def controllers_and_path(cgroups: str) -> Iterator[tuple[str, str]]:
    """Yield every controller with its path; version 2 has a single one, without a name."""
    for line in cgroups.splitlines():
        _, controllers, path = line.split(":", 2)
        yield from ((controller, path) for controller in controllers.split(","))


def _folder(mount: Path, path: str) -> Path:
    inside = mount / path.lstrip("/")
    # In a container the path may be the host's, and the mount the group itself.
    return inside if inside.exists() else mount


def _version_2(group: Path) -> Iterator[Reading]:
    stat = _pairs(group / "cpu.stat")
    yield from _throttling(stat, stat.get("throttled_usec", 0) / 1e6)
    quota, _, period = read(group / "cpu.max").strip().partition(" ")
    if quota.isdigit():
        yield Server.CPU_LIMIT, (), int(quota) / int(period)
    yield from _memory(read(group / "memory.current"), read(group / "memory.max"))


def _cpu_version_1(group: Path) -> Iterator[Reading]:
    stat = _pairs(group / "cpu.stat")
    yield from _throttling(stat, stat.get("throttled_time", 0) / 1e9)
    quota, period = (
        read(group / "cpu.cfs_quota_us").strip(),
        read(group / "cpu.cfs_period_us").strip(),
    )
    if quota.isdigit():  # -1 is "no quota"
        yield Server.CPU_LIMIT, (), int(quota) / int(period)


def _memory_version_1(group: Path) -> Iterator[Reading]:
    yield from _memory(read(group / "memory.usage_in_bytes"), read(group / "memory.limit_in_bytes"))


def _throttling(stat: Mapping[str, int], throttled_seconds: float) -> Iterator[Reading]:
    if "nr_periods" in stat:
        yield Server.CPU_THROTTLED, (), throttled_seconds
        yield Server.CPU_PERIODS, (), stat["nr_periods"]
        yield Server.CPU_THROTTLED_PERIODS, (), stat["nr_throttled"]


def _memory(usage: str, limit: str) -> Iterator[Reading]:
    if usage:
        yield Server.MEMORY_USAGE, (), int(usage)
    if limit.strip().isdigit() and int(limit) < _UNLIMITED_BYTES:
        yield Server.MEMORY_LIMIT, (), int(limit)


def _pairs(file: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in read(file).splitlines())}


def read(file: Path) -> str:
    """Return the file's text, "" if it cannot be read."""
    try:
        return file.read_text()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Usage:
    """The CPU time, memory and open files of a process."""

    cpu_seconds: float = 0.0
    virtual_bytes: float = 0.0
    resident_bytes: float = 0.0
    open_descriptors: int = 0
    descriptor_limit: int = 0
    """0 if it is unknown."""


def usage(pid: int) -> Usage | None:
    """Return what a process uses; None if it has ended, or the kernel does not tell."""
    fields = read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    if len(fields) < 22 or fields[0] in {"Z", "X"}:
        return None
    limits = read(Path(f"/proc/{pid}/limits")).partition("Max open files")[2].split()
    return Usage(
        (int(fields[11]) + int(fields[12])) / _TICKS,
        float(fields[20]),
        int(fields[21]) * _PAGE_BYTES,
        len(_names(f"/proc/{pid}/fd")),
        int(limits[0]) if limits and limits[0].isdigit() else 0,
    )


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 -- many names, and a Path costs more than each
    except OSError:
        return []


def start_time_seconds(started_ticks: int) -> float | None:
    """Return the Unix time of a start in clock ticks after boot; None if the boot is unknown."""
    booted = read(Path("/proc/stat")).partition("\nbtime ")[2].split()
    return int(booted[0]) + started_ticks / _TICKS if booted else None


def readings(pids: Sequence[int]) -> Iterator[Reading]:
    """Yield the readings of an application's processes that are not each one's own.

    Its processes are in one network namespace and one control group.
    """
    owned = frozenset[int]().union(*(owned_inodes(pid) for pid in pids))
    yield from socket_readings(tcp_sockets(), owned)
    for pid in pids[:1]:
        yield from overflow_readings(read(Path(f"/proc/{pid}/net/netstat")))
        yield from cgroup_readings(read(Path(f"/proc/{pid}/cgroup")))
    yield from pressure_readings()
