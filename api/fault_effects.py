"""The effects of active faults on this API, installed only where faults are switched on.

latency, errors and stuck act on requests but for health checks; cpu, memory and stop act on the
process. An effect ends when its fault does.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import math
import mmap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from flask import request

from api.outage import Outage
from firedrill.contract import Server
from firedrill.telemetry import kernel

if TYPE_CHECKING:
    from flask import Flask

    from firedrill.telemetry.active_faults import ActiveFaults

TICK_SECONDS = 0.02
"""Delay with which a fault of the process begins and ends, and a stuck worker is released."""
HEALTH_CHECKS = frozenset(("/healthz", "/readyz"))
"""Paths without faults: whoever restarts an unhealthy API would end the experiment."""
GOLDEN_RATIO = (5**0.5 - 1) / 2
"""Its multiples fill 0..1 evenly.

Among any n requests in a row, the requested ratio fails, to within one or two requests.
"""
BURST_SECONDS = 0.05
LARGEST_GROWTH_BYTES = 512 * 1024 * 1024
LARGEST_MEMORY_RATIO = 0.95
"""Ratio of its container's memory that a growing process may use.

It is enough for every alert, and too little for the kernel to kill the process.
"""
CHUNK_BYTES = 256 * 1024


def install(app: Flask, faults: ActiveFaults, metrics_port: int) -> None:
    """Let these faults act on this application, but not on its metrics endpoint."""
    app.before_request(RequestFaults(faults).act)
    outage = Outage(frozenset({metrics_port}))
    threading.Thread(
        target=_act_on_process, args=(faults, outage), name="api-faults", daemon=True
    ).start()


class RequestFaults:
    """Effects on a request before its handler sees it."""

    def __init__(self, faults: ActiveFaults) -> None:
        self._faults = faults
        self._failing = itertools.count(1)
        self._lock = threading.Lock()
        self._stuck = 0

    def act(self) -> Any:
        """Wait, or answer in the handler's place."""
        if request.path in HEALTH_CHECKS:
            return None
        self._get_stuck()
        if seconds := self._faults.size("latency"):
            time.sleep(seconds)
        ratio = self._faults.size("errors")
        if ratio and next(self._failing) * GOLDEN_RATIO % 1 < ratio:
            return {"error": "injected fault"}, 500
        return None

    def _get_stuck(self) -> None:
        """Keep this worker stuck, if not enough workers are."""
        if not self._faults.size("stuck"):
            return
        with self._lock:
            if self._stuck >= self._faults.size("stuck"):
                return
            self._stuck += 1
        while self._faults.size("stuck"):
            time.sleep(TICK_SECONDS)
        with self._lock:
            self._stuck -= 1


class Effect(Protocol):
    """An effect of a fault on the process."""

    def follow(self, size: float) -> None:
        """Act at this size; called every TICK_SECONDS, with 0 while the fault is off."""


def _act_on_process(faults: ActiveFaults, outage: Outage) -> None:
    effects: dict[str, Effect] = {
        "cpu": CpuBurn(faults),
        "memory": MemoryGrowth(),
        "stop": outage,
    }
    while True:
        for fault, effect in effects.items():
            try:
                effect.follow(faults.size(fault))
            except OSError:
                # Tried again with the next tick: one failure must not keep the API stopped.
                logging.getLogger(__name__).exception("fault %s", fault)
        time.sleep(TICK_SECONDS)


class CpuBurn:
    """Threads that compute without the interpreter's lock, so that they can use several cores."""

    def __init__(self, faults: ActiveFaults) -> None:
        self._faults = faults
        self._threads: dict[int, threading.Thread] = {}

    def follow(self, size: float) -> None:
        """Run threads for as many cores; they end by themselves."""
        for number in range(math.ceil(size)):
            if number not in self._threads or not self._threads[number].is_alive():
                self._threads[number] = threading.Thread(
                    target=self._burn, args=(number,), name=f"burn-{number}", daemon=True
                )
                self._threads[number].start()

    def _burn(self, number: int) -> None:
        """Compute in bursts, shorter ones in the last thread if part of a core is left."""
        data = bytes(CHUNK_BYTES)
        while (core_ratio := min(1.0, self._faults.size("cpu") - number)) > 0:
            begun, done = time.monotonic(), time.thread_time() + core_ratio * BURST_SECONDS
            while time.thread_time() < done:
                hashlib.sha256(data)
            time.sleep(max(0.0, begun + BURST_SECONDS - time.monotonic()))


class MemoryGrowth:
    """Memory that grows up to its limits, and is given back to the kernel at the end."""

    def __init__(self) -> None:
        self._chunks: list[mmap.mmap] = []
        self._since = time.monotonic()

    def follow(self, size: float) -> None:
        """Hold the memory that has grown since the fault began, at `size` bytes a second."""
        now = time.monotonic()
        if not size:
            self._since = now
            while self._chunks:
                self._chunks.pop().close()
        while size and self._has_room() and (now - self._since) * size >= CHUNK_BYTES:
            self._since += CHUNK_BYTES / size
            chunk = mmap.mmap(-1, CHUNK_BYTES)
            chunk.write(b"\1" * CHUNK_BYTES)  # memory that was never written to is not resident
            self._chunks.append(chunk)

    def _has_room(self) -> bool:
        if len(self._chunks) * CHUNK_BYTES >= LARGEST_GROWTH_BYTES:
            return False
        readings = {
            metric: value
            for metric, _, value in kernel.cgroup_readings(kernel.read(Path("/proc/self/cgroup")))
        }
        limit = readings.get(Server.MEMORY_LIMIT)
        return (
            limit is None
            or readings[Server.MEMORY_USAGE] + CHUNK_BYTES < LARGEST_MEMORY_RATIO * limit
        )
