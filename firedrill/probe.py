"""The containers' health check: exits 0 if http://127.0.0.1:PORT/PATH answers 200.

Usage: `probe.py PORT PATH`.

It uses a socket and no HTTP library: it runs every few seconds beside what is measured, and imports
would be most of its cost.
"""

from __future__ import annotations

import socket
import sys


def answers(port: int, path: str) -> bool:
    """Return whether the first line of the answer says 200."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            first, _ = (
                answer.readline(),
                answer.read(),
            )  # To its end: a server that is left in the middle of an answer complains.
        return b" 200 " in first


if __name__ == "__main__":
    sys.exit(not answers(int(sys.argv[1]), sys.argv[2]))
