"""A server whose answers cost a small part of what its load costs.

`python -m bench.loads.fast_server [--spread]` answers at once or, spread, after 2 to 800 ms, as
often between 2 and 4 as between 400 and 800. It prints its port, and serves until its standard
input ends.
"""

from __future__ import annotations

import asyncio
import random
import sys

from firedrill.contract import LOOPBACK

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
FASTEST_SECONDS, SLOWEST_SECONDS = 0.002, 0.8


class Answers(asyncio.Protocol):
    """A connection. Every request fits into one packet and has no body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of a new connection."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer one request or several."""
        self._transport.write(ANSWER * data.count(b"\r\n\r\n"))  # type: ignore[attr-defined]


class SpreadAnswers(Answers):
    """A connection that takes its time for each request."""

    def data_received(self, data: bytes) -> None:
        """Answer a request after its time."""
        seconds = FASTEST_SECONDS * (SLOWEST_SECONDS / FASTEST_SECONDS) ** random.random()
        asyncio.get_running_loop().call_later(seconds, super().data_received, data)


async def serve() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        SpreadAnswers if "--spread" in sys.argv else Answers, LOOPBACK, 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
