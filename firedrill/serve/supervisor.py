"""The process that starts the command of `--serve`, watches all its processes, and ends them.

    python -m firedrill.serve.supervisor COMMAND...

The variable FIREDRILL_SERVED_ENVIRONMENT holds the command's own variables, as a JSON object.

It adopts every orphan below it (Linux), so that a process in a session of its own, or one whose
parent has ended, is found and ended too. SIGTERM ends the command in order: SIGTERM to all
its processes, and after some seconds SIGKILL to those that are left. It exits with the command's
exit code, and its last line says what was wrong.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from firedrill.serve import process_tree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

VARIABLE = "FIREDRILL_SERVED_ENVIRONMENT"
GRACE_SECONDS = 5.0
"""How long the command may take to end after SIGTERM."""
LOOK_SECONDS = 0.1
SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""
DAEMONISED = 70
"""Exit code for a command that went into the background (EX_SOFTWARE of sysexits.h)."""


class Supervisor:
    """One command and all processes that come from it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._stop = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        _adopt_orphans()
        variables = json.loads(os.environ.pop(VARIABLE, "{}"))
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **variables},
            start_new_session=True,
        )
        self._status: int | None = None

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = True

    def watch(self) -> int:
        """Wait for the end of the command, or for a signal; end all of it; return an exit code."""
        while self._status is None and not self._stop:
            self._reap()
            time.sleep(LOOK_SECONDS)
        code = self._end_of_command()
        self._end_all()
        return code

    def _end_of_command(self) -> int:
        """Return the exit code of a command that ended by itself, 0 if it was told to end."""
        if self._status is None:
            return 0
        left = process_tree.applications(os.getpid())
        if self._status == 0 and left:
            _say(
                f"the command went into the background and left {len(left)} processes; "
                "expected one that stays in the foreground"
            )
            return DAEMONISED
        return self._status if self._status >= 0 else 128 - self._status

    def _end_all(self) -> None:
        us = os.getpid()
        _signal(process_tree.applications(us), signal.SIGTERM)
        until = time.monotonic() + GRACE_SECONDS
        while (left := process_tree.applications(us)) and time.monotonic() < until:
            self._reap()
            time.sleep(LOOK_SECONDS / 2)
        if left:
            _say(f"{len(left)} processes ignored SIGTERM for {GRACE_SECONDS:g} s and were killed")
        # Again and again: what is killed may have forked meanwhile.
        for _ in range(100):
            left = process_tree.descendants(us)
            if not left:
                return
            _signal(left, signal.SIGKILL)
            time.sleep(LOOK_SECONDS / 2)
            self._reap()

    def _reap(self) -> None:
        """Note the end of the command, and bury orphans that have ended."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._process.pid:
                    self._status = self._process.returncode = os.waitstatus_to_exitcode(status)


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _adopt_orphans() -> None:
    """Become the parent of orphans below us, where the system can do that."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def _say(text: str) -> None:
    sys.stderr.write(f"firedrill: {text}\n")
    sys.stderr.flush()


def main(command: Sequence[str]) -> int:
    """Run the command until it ends or we are told to; return the exit code."""
    try:
        supervisor = Supervisor(command)
    except OSError as error:
        _say(f"{command[0]} cannot be started: {error.strerror}")
        return 127
    return supervisor.watch()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
