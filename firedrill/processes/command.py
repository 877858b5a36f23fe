"""Another program's command, run to its end; given up when it takes too long, or when somebody asks to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from firedrill.interrupt import Interrupted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firedrill.interrupt import Interrupt

PATIENCE_SECONDS = 60.0
GRACE_SECONDS = 10.0
"""What a command that is given up may take to put things in order."""


def run(
    words: list[str],
    variables: Mapping[str, str] | None = None,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    grace_seconds: float = GRACE_SECONDS,
    interrupt: Interrupt | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run it, with these environment variables on top of ours; one that takes longer than the patience has failed.

    Raises:
        Interrupted: somebody asked to stop first.
    """
    deadline = time.monotonic() + patience_seconds
    with _start(words, variables) as running:
        while True:
            with suppress(subprocess.TimeoutExpired):
                output, errors = running.communicate(timeout=0.2)
                return subprocess.CompletedProcess(words, running.returncode, output, errors)
            if interrupt and interrupt.requested:
                _end(running, grace_seconds)
                raise Interrupted(f"interrupted in {words[0]}")
            if time.monotonic() > deadline:
                _end(running, grace_seconds)
                return subprocess.CompletedProcess(
                    words, 1, "", f"no answer within {patience_seconds:g} s"
                )


def _start(words: list[str], variables: Mapping[str, str] | None) -> subprocess.Popen[str]:
    # A session of its own: a terminal's Ctrl-C is ours to answer, in order.
    environment, pipe = {**os.environ, **(variables or {})}, subprocess.PIPE
    return subprocess.Popen(
        words, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True
    )


def _end(running: subprocess.Popen[str], grace_seconds: float) -> None:
    """Politely, and after the grace time for certain, with what it started."""
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            running.communicate(timeout=grace_seconds)
        os.killpg(running.pid, signal.SIGKILL)
