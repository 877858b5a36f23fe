"""The receiver's HTTP server: takes Alertmanager's webhook, lists the latest notifications.

Alertmanager posts to /page, /ticket and /log; GET /notifications lists the latest.
"""

from __future__ import annotations

import json
import socketserver
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from firedrill import inherited_sockets
from firedrill.errors import BadInput
from firedrill.notifications.notification import RECEIVERS, from_webhook, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from firedrill.notifications.journal import Journal

MAX_BODY_BYTES = 1_000_000
"""A larger message is refused (413). Alertmanager's are a kilobyte an alert."""

RECENT = 500
"""Number of notifications that /notifications lists."""


class WebhookServer(ThreadingHTTPServer):
    """Records each notification in a journal, and prints a line for it."""

    def __init__(self, host: str, port: int, journal: Journal, say: Callable[[str], None]) -> None:
        self.journal = journal
        self.say = say
        self._lock = threading.Lock()  # Journal and screen show one order.
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking the name service for this host's name; a container may have none."""
        host, port = str(self.server_address[0]), int(self.server_address[1])
        inherited = inherited_sockets.listener(host, port, self.request_queue_size)
        if inherited:
            self.socket.close()
            self.socket = inherited
        else:
            socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def server_close(self) -> None:
        """Close when the notification that is being recorded is on disk."""
        with self._lock:
            super().server_close()

    def record(self, receiver: str, body: bytes) -> None:
        """Record one posted message.

        Raises BadInput if it is no message of Alertmanager's, OSError if it cannot be written.
        """
        with self._lock:
            notifications = from_webhook(_json(body), receiver, time.time())
            self.journal.append(notifications)
            for notification in notifications:
                self.say(notification.line())

    def listed(self) -> list[dict[str, Any]]:
        """Return the latest notifications, oldest first."""
        with self._lock:
            return [entry.as_json() for entry in self.journal.read()[-RECENT:]]

    def handle_error(self, _request: Any, client_address: Any) -> None:
        """Print a line about a client that could not be answered, and go on."""
        self.say(f"{client_address[0]} was not answered")


class _Handler(BaseHTTPRequestHandler):
    server: WebhookServer
    timeout = 10
    """Seconds that a client may take to send its next byte."""

    def do_GET(self) -> None:
        match self.path:
            case "/healthz":
                self._answer(HTTPStatus.OK, {"ok": True})
            case "/notifications":
                self._answer(HTTPStatus.OK, self.server.listed())
            case _:
                self._refuse(
                    HTTPStatus.NOT_FOUND,
                    f"nothing is at {self.path}; expected /notifications or /healthz",
                )

    def do_POST(self) -> None:
        receiver = self.path.removeprefix("/")
        body = self._body()
        if self.headers.get_content_type() != "application/json" or "Origin" in self.headers:
            # A web page in a browser can send other types to loopback without being asked.
            self._refuse(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json, and no browser"
            )
            return
        if receiver not in RECEIVERS:
            self._refuse(
                HTTPStatus.NOT_FOUND,
                f"there is no receiver {receiver}; expected one of {', '.join(RECEIVERS)}",
            )
        elif body is None:
            self._refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"expected a body with a Content-Length of at most {MAX_BODY_BYTES} bytes",
            )
        else:
            self._record(receiver, body)

    def _record(self, receiver: str, body: bytes) -> None:
        try:
            self.server.record(receiver, body)
        except BadInput as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            # Alertmanager tries again after a status of 500 and above.
            self._refuse(
                HTTPStatus.INSUFFICIENT_STORAGE, f"{self.server.journal.file}: {error.strerror}"
            )
        else:
            self._answer(HTTPStatus.OK, {"ok": True})

    def _body(self) -> bytes | None:
        """Return the body; None if it is too long.

        It is read all the same, within reason: an unread rest would reset the connection.
        """
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            return None
        body = self.rfile.read(min(int(length), 2 * MAX_BODY_BYTES))
        return body if len(body) <= MAX_BODY_BYTES else None

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.server.say(printable(f"refused {self.command} {self.path} ({status}): {reason}"))
        self._answer(status, {"error": reason})

    def _answer(self, status: HTTPStatus, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing: the server prints what matters."""


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"no JSON: {error}") from error
