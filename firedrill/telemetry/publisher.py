"""The publisher: starts the metrics process beside the application, and ends it."""

from __future__ import annotations

import atexit
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from firedrill import inherited_sockets
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from firedrill.telemetry.shared_cells import Cells

BACKLOG = 16
STOP_SECONDS = 5.0
"""Time for the process to end, which has nothing to finish; then it is killed."""


def listening_socket(host: str, port: int, purpose: str) -> socket.socket:
    """Return a bound TCP listener; port 0 takes a free one.

    Raises BadInput if the address cannot be bound.
    """
    inherited = inherited_sockets.listener(host, port, BACKLOG)
    if inherited:
        return inherited
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise BadInput(
            f"{host}:{port} cannot be used for {purpose} ({error.strerror or error});"
            " expected a free port, or 0 for any"
        ) from error


class Publisher:
    """The process that serves one application's metrics endpoint, at `host`:`port`."""

    def __init__(self, cells: Cells, host: str, port: int, application_pid: int) -> None:
        """Bind and start; connections wait in the socket until the process is up.

        Raises BadInput if the port is taken.
        """
        with listening_socket(host, port, "the metrics endpoint") as listener:
            self.host, self.port = listener.getsockname()[:2]
            descriptors = (cells.descriptor, listener.fileno())
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "firedrill.telemetry.metrics_process",
                    *map(str, (*descriptors, application_pid)),
                ],
                stdin=subprocess.PIPE,
                pass_fds=descriptors,
            )
        atexit.register(self.close)

    def close(self) -> None:
        """End the process; the port is free when this returns. Closing twice does nothing."""
        atexit.unregister(self.close)
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # The machine stands still or is overloaded, which is no error of the application's.
            self._process.kill()
            self._process.wait()
