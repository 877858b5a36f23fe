"""A small HTTP server to send load to, which counts what it received.

It answers, fails or hangs by path.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

LINE = b"half of a body\r\n"
"""A body of `/drip` has two."""


class Target(ThreadingHTTPServer):
    """A server on a free port while its `with` block lasts.

    `/hang` waits for the end of the block, or until `release` is set; `/drip` does so in the middle
    of the body, where `/broken` breaks the connection. `/redirect` leads to `/`, `/fail` answers
    503, `/none` has no body, any other path answers at once. No request is answered while `gate` is
    cleared; the request with the number `clears_at` clears it. With `seconds_each`, requests are
    answered one after the other, and each takes that long.
    """

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, seconds_each: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seconds_each = seconds_each
        self.lane = threading.Lock()
        self.release = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.clears_at: int | None = None
        self.received = 0
        self.run_ids: set[str | None] = set()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self.gate.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Target

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.received += 1
            if self.server.received == self.server.clears_at:
                self.server.gate.clear()
            self.server.run_ids.add(self.headers.get("Firedrill-Run-Id"))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.gate.wait()
        if self.server.seconds_each:
            with self.server.lane:
                self.server.release.wait(self.server.seconds_each)
        if self.path == "/hang":
            self.server.release.wait()
        if self.path in {"/drip", "/broken"}:
            self.send_begun_body()
            return
        body = b"" if self.path == "/none" else b'{"ok": true}'
        self.send_response({"/fail": 503, "/redirect": 302, "/none": 204}.get(self.path, 200))
        if self.path == "/redirect":
            self.send_header("Location", "/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_begun_body(self) -> None:
        """Send the first half of a body, then the rest when released, or break the connection."""
        self.send_response(200)
        self.send_header("Content-Length", str(2 * len(LINE)))
        self.end_headers()
        self.wfile.write(LINE)
        if self.path == "/drip":
            self.server.release.wait()
            self.wfile.write(LINE)
        self.close_connection = True

    do_POST = do_GET  # noqa: N815 - http.server names it

    def log_message(self, *_: object) -> None:
        """Quiet."""
