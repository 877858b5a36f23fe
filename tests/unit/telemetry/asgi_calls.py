"""Calls of ASGI applications in memory, each in an event loop of a thread of its own.

An event loop may run already in the thread of the test.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor


def in_own_loop(coroutine):
    """Return the result of a coroutine, run in a fresh thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def scope_of(path, kind="http", **parts):
    """Return the scope of a request, as a server makes it."""
    method = {"method": "GET"} if kind == "http" else {"subprotocols": []}
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"test")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
        "extensions": {"websocket.http.response": {}},
        **method,
        **parts,
    }


class Connection:
    """The server's side of one connection: the messages to receive, and those that were sent."""

    def __init__(self, *messages):
        self._messages = list(messages)
        self.sent = []

    async def receive(self):
        if self._messages:
            return self._messages.pop(0)
        await asyncio.Event().wait()  # a client that stays, and says nothing
        return None

    async def send(self, message):
        self.sent.append(message)


def call(app, scope, *messages):
    """Serve one connection; return the messages that the application sent."""
    request = {"type": "http.request", "body": b"", "more_body": False}
    first = () if scope["type"] != "http" else (request,)
    connection = Connection(*first, *messages)
    in_own_loop(app(scope, connection.receive, connection.send))
    return connection.sent


def get(app, path, **parts):
    """Return the status of a GET request."""
    return next(
        message["status"]
        for message in call(app, scope_of(path, **parts))
        if message["type"] == "http.response.start"
    )
