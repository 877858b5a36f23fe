"""The child processes of a stack: each with a log file, and none left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firedrill.processes import starter

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LOOK_SECONDS = 0.25
"""How often a wait looks whether the process has ended."""


@dataclass(slots=True)
class Child:
    """A started process and its log file."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]
    grace_seconds: float = 5.0
    """How long it may take to end, unless `stop` is told otherwise."""

    @property
    def pid(self) -> int:
        """Process id; equal to the id of its process group."""
        return self.process.pid

    def exit_code(self) -> int | None:
        """Return the exit code (negative: a signal), None while it runs."""
        return self.process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone, so that it can stop its own children in order."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for its end; return False if it still runs after the timeout.

        It waits in short steps, so that a machine that stands still does not use up the timeout.
        """
        looks = max(1, round(timeout_seconds / LOOK_SECONDS))
        for _ in range(looks):
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout_seconds / looks)
                break
        return self.process.poll() is not None

    def stop(self, grace_seconds: float | None = None) -> None:
        """Ask it to end; after the grace time kill its process group."""
        self.send(signal.SIGTERM)
        self.wait(self.grace_seconds if grace_seconds is None else grace_seconds)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def last_log_line(self) -> str:
        """Return the last line of its log that is not blank."""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else "(it printed nothing)"


@dataclass(slots=True)
class Children:
    """The processes of one stack, in the order of their start; stopped in the opposite order."""

    folder: Path
    started: list[Child] = field(default_factory=list)

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        sockets: Sequence[socket.socket] = (),
        grace_seconds: float = 5.0,
    ) -> Child:
        """Start a process, in a folder if one is given; its output goes to `<name>.log`.

        It gets the bound sockets, which are closed here: else a port would seem to be served when
        its process is gone.
        """
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = starter.start(
                command,
                environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                folder=folder,
                sockets=sockets,
                ends_with_us=True,
            )
        for bound in sockets:
            bound.close()
        child = Child(name, log, process, grace_seconds)
        self.started.append(child)
        return child

    def stop_all(self) -> None:
        """Stop every process, the last started first."""
        while self.started:
            self.started.pop().stop()
