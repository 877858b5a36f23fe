"""What the faults that are set on the metrics page do to this API. Only installed where faults are switched on.

latency, errors and stuck act on requests, health checks excepted; cpu, memory and stop on the process. Each ends when the board says so.
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

    from firedrill.telemetry.active_faults import Board

TICK_SECONDS = 0.02
"""How late a fault of the process begins and ends, and a stuck worker is released."""
HEALTH_CHECKS = frozenset(("/healthz", "/readyz"))
"""Never slow, failing or stuck: whoever restarts an unhealthy API would end the experiment."""
GOLDEN_RATIO = (5**0.5 - 1) / 2
"""Its multiples fill 0..1 evenly: of any n requests in a row, the share that fails is the one asked for, to within one or two."""
BURST_SECONDS = 0.05
LARGEST_GROWTH_BYTES = 512 * 1024 * 1024
LARGEST_SHARE = 0.95
"""Of its container's memory that a growing process may use: enough for every alert, too little for the kernel to kill it."""
CHUNK_BYTES = 256 * 1024


def install(app: Flask, board: Board) -> None:
    """Let the faults on this board act on this application."""
    app.before_request(RequestFaults(board).act)
    threading.Thread(target=_act_on_process, args=(board,), name="api-faults", daemon=True).start()


class RequestFaults:
    """What happens to a request before its handler sees it."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._failing = itertools.count(1)
        self._lock = threading.Lock()
        self._stuck = 0

    def act(self) -> Any:
        """Wait, or answer in the handler's place."""
        if request.path in HEALTH_CHECKS:
            return None
        self._hold()
        if seconds := self._board.size("latency"):
            time.sleep(seconds)
        ratio = self._board.size("errors")
        if ratio and next(self._failing) * GOLDEN_RATIO % 1 < ratio:
            return {"error": "injected fault"}, 500
        return None

    def _hold(self) -> None:
        """Be one of the stuck, if there are not enough of them."""
        if not self._board.size("stuck"):
            return
        with self._lock:
            if self._stuck >= self._board.size("stuck"):
                return
            self._stuck += 1
        while self._board.size("stuck"):
            time.sleep(TICK_SECONDS)
        with self._lock:
            self._stuck -= 1


class Effect(Protocol):
    """Something that a fault does to the process."""

    def follow(self, size: float) -> None:
        """Do it at this size; called every TICK_SECONDS, with 0 while the fault is off."""


def _act_on_process(board: Board) -> None:
    effects: dict[str, Effect] = {"cpu": Burn(board), "memory": Growth(), "stop": Outage()}
    while True:
        for fault, effect in effects.items():
            try:
                effect.follow(board.size(fault))
            except OSError:  # tried again with the next tick: the API must not stay stopped because something failed once
                logging.getLogger(__name__).exception("fault %s", fault)
        time.sleep(TICK_SECONDS)


class Burn:
    """Threads of this process that compute, as a native library would: without the interpreter's lock, so more than one core can burn."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._threads: dict[int, threading.Thread] = {}

    def follow(self, size: float) -> None:
        """Have the threads for as many cores; they end by themselves."""
        for number in range(math.ceil(size)):
            if number not in self._threads or not self._threads[number].is_alive():
                self._threads[number] = threading.Thread(
                    target=self._burn, args=(number,), name=f"burn-{number}", daemon=True
                )
                self._threads[number].start()

    def _burn(self, number: int) -> None:
        """Compute in bursts; the last thread's are shorter where there is only part of a core left for it."""
        data = bytes(CHUNK_BYTES)
        while (share := min(1.0, self._board.size("cpu") - number)) > 0:
            begun, done = time.monotonic(), time.thread_time() + share * BURST_SECONDS
            while time.thread_time() < done:
                hashlib.sha256(data)
            time.sleep(max(0.0, begun + BURST_SECONDS - time.monotonic()))


class Growth:
    """Memory that grows up to its limits, and is given back to the kernel at the end."""

    def __init__(self) -> None:
        self._chunks: list[mmap.mmap] = []
        self._since = time.monotonic()

    def follow(self, size: float) -> None:
        """Hold what has grown since the fault began, at `size` bytes a second."""
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
        of_container = {
            metric: value
            for metric, _, value in kernel.cgroup_readings(kernel.read(Path("/proc/self/cgroup")))
        }
        limit = of_container.get(Server.MEMORY_LIMIT)
        return (
            limit is None or of_container[Server.MEMORY_USAGE] + CHUNK_BYTES < LARGEST_SHARE * limit
        )
