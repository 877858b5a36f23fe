"""Commands that are run to their end, with a time limit and an answer to Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from firedrill.interrupt import Interrupted
from firedrill.processes import starter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from firedrill.interrupt import Interrupt

PATIENCE_SECONDS = 60.0
GRACE_SECONDS = 10.0
"""How long a command that is given up may take to clean up, before it is killed."""
POLL_SECONDS = 0.2


def run(
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    grace_seconds: float = GRACE_SECONDS,
    interrupt: Interrupt | None = None,
    folder: Path | None = None,
    captures: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a command; one that takes longer than the patience has failed, with exit code 1.

    What it prints is returned, or shown as ours where it is not captured.

    Raises:
        Interrupted: the user asked to stop first.
    """
    words = [str(word) for word in command]
    output = subprocess.PIPE if captures else None
    deadline = time.monotonic() + patience_seconds
    with starter.start(words, environment, stdout=output, stderr=output, folder=folder) as process:
        try:
            printed = _wait(process, words[0], deadline, interrupt)
        except BaseException:
            _end(process, grace_seconds)
            raise
        if printed is None:
            _end(process, grace_seconds)
            return subprocess.CompletedProcess(
                words, 1, "", f"no answer within {patience_seconds:g} s"
            )
        return subprocess.CompletedProcess(words, process.returncode, *printed)


def _wait(
    process: subprocess.Popen[bytes], name: str, deadline: float, interrupt: Interrupt | None
) -> tuple[str, str] | None:
    """Return what the command printed on both outputs, None if it runs past the deadline."""
    while True:
        with suppress(subprocess.TimeoutExpired):
            stdout, stderr = process.communicate(timeout=POLL_SECONDS)
            return _text(stdout), _text(stderr)
        if interrupt and interrupt.requested:
            raise Interrupted(f"interrupted in {name}")
        if time.monotonic() > deadline:
            return None


def _text(printed: bytes | None) -> str:
    return (printed or b"").decode(errors="replace")


def _end(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """Ask the command to end; kill it and what it started after the grace time."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=grace_seconds)
        os.killpg(process.pid, signal.SIGKILL)
