"""The function that starts every child process. Standard library only."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import IO, TYPE_CHECKING, Any

from firedrill import inherited_sockets

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def start(
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    *,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    folder: Path | None = None,
    sockets: Sequence[socket.socket] = (),
    ends_with_us: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program with these environment variables on top of ours and empty standard input.

    It inherits the bound sockets, which `inherited_sockets` finds there. It leads a session of its
    own: a terminal's Ctrl-C reaches us alone; we end it in order. With `ends_with_us` the kernel
    ends it when we are killed, where the system can do that.
    """
    return subprocess.Popen(
        [*(_ended_by_kernel() if ends_with_us else []), *command],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env={
            **os.environ,
            **(environment or {}),
            **inherited_sockets.environment(sockets),
        },
        pass_fds=[bound.fileno() for bound in sockets],
        cwd=folder,
        start_new_session=True,
    )


def _ended_by_kernel() -> list[str]:
    """Return the prefix that asks Linux for this; empty where there is none (macOS)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
