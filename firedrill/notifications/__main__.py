"""The command `python -m firedrill.notifications`: the receiver of Alertmanager's notifications.

It exits with 0 on SIGTERM or SIGINT, and with 2 if it cannot start.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from firedrill.contract import LOOPBACK, NOTIFICATIONS_PORT
from firedrill.errors import BadInput, FiredrillError
from firedrill.interrupt import Interrupt
from firedrill.notifications.journal import Journal
from firedrill.notifications.webhook_server import WebhookServer

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Receive until SIGTERM or SIGINT; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        with Interrupt() as interrupt, listening(options.host, options.port, options.out) as server:
            threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
            ).start()
            while not interrupt.pause(3600):
                pass
            server.shutdown()
    except FiredrillError as error:
        say(f"firedrill.notifications: {error}")
        return error.exit_code
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = argparse.ArgumentParser(
        prog="python -m firedrill.notifications",
        description="Record the notifications that Alertmanager sends, until SIGTERM or SIGINT:"
        " a line on stderr and a JSON line in a file for each.",
    )
    add = options.add_argument
    add("--host", default=LOOPBACK, help="address to bind (default: %(default)s)")
    add("--port", type=int, default=NOTIFICATIONS_PORT, help="port to bind (default: %(default)s)")
    add(
        "--out",
        type=Path,
        default=Path("notifications.jsonl"),
        help="file to append to (default: %(default)s)",
    )
    return options


def listening(host: str, port: int, out: Path) -> WebhookServer:
    """Return a bound server. Raises BadInput if an address or the file cannot be used."""
    try:
        out.open("a").close()
        server = WebhookServer(host, port, Journal(out), say)
    except OSError as error:
        raise BadInput(f"--host {host} --port {port} --out {out}: {error.strerror}") from error
    say(f"http://{host}:{server.server_port}/notifications, recording in {out}")
    return server


def say(text: str) -> None:
    """Print a line to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
