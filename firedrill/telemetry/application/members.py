"""The processes of one application as its metrics endpoint knows them.

The counts of a process that has ended are added to a store, which is memory of the same kind. Every
process keeps a descriptor of the store, so that it outlives the endpoint as well.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firedrill import contract
from firedrill.contract import Server
from firedrill.telemetry import active_faults, kernel
from firedrill.telemetry.application.identity import Process, process
from firedrill.telemetry.shared_cells import FINISHED_BUSY, Cells, width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FAMILIES = (*contract.declared(Server), *contract.PROCESS_METRICS)
ACCUMULATED = {
    metric.name: metric for metric in (*FAMILIES, FINISHED_BUSY) if metric.kind != "gauge"
} | {FINISHED_BUSY.name: FINISHED_BUSY}
"""Metrics that go on when their process has ended."""


@dataclass(slots=True)
class Member:
    """A process, its cells, and the master that starts it anew when it ends."""

    cells: Cells
    process: Process
    master: Process | None = None
    slot: int = 0
    """Number of its place among the processes that run, which its successor takes over."""
    usage: kernel.Usage = field(default_factory=kernel.Usage)

    def measure(self) -> kernel.Usage:
        """Read what it uses of the machine; the last reading stays when it has ended."""
        self.usage = kernel.usage(self.process.pid) or self.usage
        return self.usage


class Members:
    """All processes of an application that have registered. The caller holds `lock`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.running: list[Member] = []
        self.ended_cpu_seconds = 0.0
        self._masters: set[Process] = set()
        self._stores: dict[int, Cells] = {}
        """Counts of ended processes, by inode; those of an endpoint before this one stay apart."""

    @classmethod
    def of(cls, cells: Cells, pid: int) -> Members:
        """Return an application of one process."""
        members = cls()
        members.add(Member(cells, process(pid)))
        return members

    @property
    def store(self) -> Cells:
        """The memory to which counts of ended processes are added."""
        if not self._stores:
            self._keep(Cells.create())
        store = next(iter(self._stores.values()))
        store.reserve(Server.UNFINISHED)
        return store

    def _keep(self, store: Cells) -> None:
        self._stores.setdefault(os.fstat(store.descriptor).st_ino, store)

    def register(self, message: bytes, descriptors: Sequence[int]) -> Member:
        """Add the process that sent this. Raises ValueError or OSError if it makes no sense."""
        said = json.loads(message)
        cells, *stores = map(Cells.attach, descriptors)
        for store in stores:
            self._keep(store)
        master = Process(*map(int, said["master"])) if said["master"] else None
        member = Member(cells, Process(*map(int, said["process"])), master)
        self.add(member)
        return member

    def add(self, member: Member) -> None:
        """Add a process, with the faults that are active."""
        taken = {other.slot for other in self.running}
        member.slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)
        self.running.append(member)
        if member.master:
            self._masters.add(member.master)
        member.measure()
        active_faults.share([self.store, *(other.cells for other in self.running)])

    def remove(self, member: Member) -> None:
        """Keep the counts of a process that has ended, or that publishes no longer."""
        if member not in self.running:
            return
        self.running.remove(member)
        self.ended_cpu_seconds += member.usage.cpu_seconds
        store = self.store
        unfinished = store.reserve(Server.UNFINISHED)
        for series in member.cells.series():
            if series.name == Server.ACTIVE_REQUESTS.name and not member.process.is_alive():
                store.values[unfinished] += max(0.0, *member.cells.read(series))
            metric = ACCUMULATED.get(series.name)
            if metric is None or series.width != width(metric):
                continue
            with suppress(MemoryError):
                first = store.reserve(metric, series.labels)
                for at, value in enumerate(member.cells.read(series)):
                    store.values[first + at] += value
        member.cells.after_fork()  # gives the memory back

    def remove_ended(self) -> None:
        """Remove every process that has ended since the last call."""
        for member in list(self.running):
            if member.process.is_alive():
                member.measure()
            else:
                self.remove(member)

    def are_over(self) -> bool:
        """Return whether no process of the application is left, its masters included."""
        self._masters = {master for master in self._masters if master.is_alive()}
        return not self.running and not self._masters

    def sources(self) -> Iterator[Cells]:
        """Yield the cells that hold counts: of ended processes, then of those that run."""
        yield from self._stores.values()
        yield from (member.cells for member in self.running)

    def oldest(self) -> Process | None:
        """Return the process whose start is the application's."""
        running = {member.process for member in self.running}
        return min(self._masters | running, key=lambda process: process.started, default=None)
