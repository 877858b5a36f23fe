"""A server that answers everything at once, at a small part of what its load costs: `python -m bench.loads.target`.

Prints its port, and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys

from firedrill.contract import LOOPBACK

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Answers(asyncio.Protocol):
    """One connection. Every request fits into one packet and has no body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """A request, or several."""
        self._transport.write(ANSWER * data.count(b"\r\n\r\n"))  # type: ignore[attr-defined]


async def serve() -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answers, LOOPBACK, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
