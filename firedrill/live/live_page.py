"""The server of the live page: read-only, on 127.0.0.1, idle while no browser asks."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from firedrill.contract import LOOPBACK
from firedrill.live.live_run import LiveRun

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "/": ("live.html", "text/html; charset=utf-8"),
    "/live.css": ("live.css", "text/css; charset=utf-8"),
    "/live.js": ("live.js", "text/javascript; charset=utf-8"),
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
LINGER_SECONDS = 4.0
"""Time that a browser has at the end to fetch the report."""
ASKED_SECONDS = 3.0
"""A browser is there if it asked within this time."""


class LivePage:
    """A page that shows runs while they go on, and their reports when they have ended."""

    def __init__(self) -> None:
        """Serve at once, on a free port. Raises OSError if there is none."""
        self.runs: list[LiveRun] = []
        self._report: Path | None = None
        self.has_ended = False
        self._asked_at = float("-inf")
        self._report_was_fetched = threading.Event()
        self._server = _Server((LOOPBACK, 0), self)
        threading.Thread(target=self._server.serve_forever, name="live page", daemon=True).start()

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/"

    def add(self, title: str) -> LiveRun:
        """Show one more run, below the others."""
        run = LiveRun(title)
        self.runs.append(run)
        return run

    def close(self, report: Path | None = None) -> None:
        """End the page; a browser that is there gets the report first."""
        self._report, self.has_ended = report, True
        if report is not None and time.monotonic() - self._asked_at < ASKED_SECONDS:
            self._report_was_fetched.wait(LINGER_SECONDS)
        self._server.shutdown()
        self._server.server_close()

    def state(self, after: float) -> dict[str, Any]:
        """Return what the page shows, with the samples later than `after` (Unix seconds)."""
        self._asked_at = time.monotonic()
        return {
            "now": time.time(),
            "has_ended": self.has_ended,
            "has_report": self._report is not None,
            "runs": [run.state(after) for run in list(self.runs)],
        }

    def report(self) -> bytes:
        """Return the report. Raises OSError where there is none."""
        if self._report is None:
            raise FileNotFoundError
        content = self._report.read_bytes()
        self._report_was_fetched.set()
        return content


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], page: LivePage) -> None:
        super().__init__(address, _Handler)
        self.page = page
        port = self.server_address[1]
        self.hosts = {f"{LOOPBACK}:{port}", f"localhost:{port}"}

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """Say nothing about a browser that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 10
    """Seconds that a client may take to send its next byte."""

    def do_GET(self) -> None:
        """Answer with the page, its state, or the report."""
        if self.headers.get("Host") not in self.server.hosts:
            # A foreign name that leads to loopback could read the page otherwise.
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"unknown host\n")
            return
        path = urlsplit(self.path)
        if path.path in FILES:
            name, kind = FILES[path.path]
            content = resources.files("firedrill.live").joinpath("page", name).read_bytes()
            self._answer(HTTPStatus.OK, kind, content)
        elif path.path == "/state":
            after = 0.0
            with suppress(ValueError):
                after = float(parse_qs(path.query).get("after", ["0"])[0])
            state = json.dumps(self.server.page.state(after)).encode()
            self._answer(HTTPStatus.OK, "application/json", state)
        elif path.path == "/report":
            self._answer_report()
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"nothing is here\n")

    def _answer_report(self) -> None:
        try:
            content = self.server.page.report()
        except OSError:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there is no report yet\n")
            return
        # The report brings its own policy, for its own inline script.
        self._answer(HTTPStatus.OK, "text/html; charset=utf-8", content, policy="")

    def _answer(self, status: HTTPStatus, kind: str, content: bytes, policy: str = POLICY) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if policy:
            self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Log nothing: the terminal belongs to the run."""
