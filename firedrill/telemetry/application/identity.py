"""Which processes are one application, and whether a process still runs.

Workers find each other without a word from the server: those that one master forked or spawned, and
that ask for the same metrics address, are one application. A process without a master is one alone.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from firedrill.telemetry.kernel import read

if TYPE_CHECKING:
    from firedrill.telemetry.settings import Settings

_DEAD = ("Z", "X")
"""States of /proc/PID/stat in which a process only waits to be forgotten."""


class Process(NamedTuple):
    """A process that stays distinct from a later one with the same id."""

    pid: int
    started: int
    """Clock ticks after boot; 0 where /proc does not tell."""

    def is_alive(self) -> bool:
        """Return whether it still runs; a zombie does not."""
        if self.started:
            return started(self.pid) == self.started
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass  # it is somebody else's, so it runs
        return True


def process(pid: int) -> Process:
    """Return the process that has this id now."""
    return Process(pid, started(pid))


def started(pid: int) -> int:
    """Return when a process started, in clock ticks after boot; 0 if it is gone."""
    fields = read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return 0 if len(fields) < 20 or fields[0] in _DEAD else int(fields[19])


def master() -> Process | None:
    """Return the process that starts and restarts this one as a worker, if there is one."""
    uwsgi = sys.modules.get("uwsgi")
    parent = multiprocessing.parent_process()
    pid = int(uwsgi.masterpid()) if uwsgi is not None else 0
    if not pid and parent is not None:
        pid = parent.pid or 0  # uvicorn, hypercorn, granian
    elif not pid and _is_same_program(os.getppid()):
        pid = os.getppid()
    found = process(pid) if pid not in {0, os.getpid()} else None
    return found if found and found.is_alive() else None


def _is_same_program(pid: int) -> bool:
    """Return whether a process runs our command line: then it forked us without another program."""
    mine, theirs = (read(Path(f"/proc/{number}/cmdline")) for number in ("self", pid))
    # gunicorn renames its processes where setproctitle is installed.
    both_titled = mine.startswith("gunicorn: ") and theirs.startswith("gunicorn: ")
    return bool(mine) and (mine == theirs or both_titled)


def key(settings: Settings, name: str) -> str:
    """Return the text that processes of one application share, and no other process has.

    `name` tells applications apart that are given the same directory.
    """
    same: tuple[object, ...]
    if settings.directory:
        folder = _working_directory()
        same = (str(folder / settings.directory), name, str(folder))
    else:
        same = (settings.host, settings.port, master() or process(os.getpid()))
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    return hashlib.sha256(json.dumps([os.getuid(), namespace, *same]).encode()).hexdigest()[:32]


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except OSError:
        return Path("/")  # it was deleted
