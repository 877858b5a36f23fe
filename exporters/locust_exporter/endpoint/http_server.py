"""The exporter's own HTTP server: it answers headless runs too, and never behind a login."""

from __future__ import annotations

import logging
import os
import zlib
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from firedrill import inherited_sockets
from firedrill.contract import CONTENT_TYPE, has_metrics
from firedrill.errors import BadInput
from locust_exporter.endpoint.scrape import Scrape, Scraper
from locust_exporter.time_slice import TimeSlice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from locust_exporter.exporter_settings import Settings

logger = logging.getLogger(__name__)

_PORTS_TO_TRY = 50
_MAX_SCRAPERS = 16
_MAX_CONNECTIONS = 8
_BACKLOG = 256
_CONNECTION_SECONDS = 5.0
_POLL_SECONDS = 0.1
_CHUNK_BYTES = 250_000
"""Bytes that are compressed at a time, in about a millisecond."""
_CLOSE = ("Connection", "close")
_GZIP = 16 + zlib.MAX_WBITS


def gzip_in_slices(body: bytes, time_slice: TimeSlice) -> bytes:
    """Compress with gzip, while other greenlets run in between.

    At 1000 endpoints level 9 takes 83 ms and level 1 takes 7.5 ms, in which no request proceeds.
    """
    packer, pieces = zlib.compressobj(level=1, wbits=_GZIP), []
    for start in range(0, len(body), _CHUNK_BYTES):
        time_slice.pause_if_over()
        pieces.append(packer.compress(body[start : start + _CHUNK_BYTES]))
    return b"".join((*pieces, packer.flush()))


class _Handler(WSGIHandler):  # type: ignore[misc]
    """Handles one connection."""

    timeout_seconds: float

    def handle(self) -> None:
        """Serve the connection until it ends or its time is over."""
        with gevent.Timeout(self.timeout_seconds, exception=False):
            super().handle()


def give_way() -> None:
    """Let every greenlet run once. A sleep of 0 lets only those run that wait for nothing."""
    gevent.sleep(0.0001)


class MetricsServer:
    """Serves `/metrics` from `render`, a function of the scrape that asks for it, and `/outcome`.

    `/metrics/RUN_ID` shows the same for this run's id. Another run's id gets 404, so that its
    Prometheus never takes these metrics for its own.

    A connection is for one request and `connection_seconds`. Few are served at once, and idle ones
    would keep others out for ever.
    """

    def __init__(
        self,
        render: Callable[[Scrape | None, TimeSlice], str],
        connection_seconds: float = _CONNECTION_SECONDS,
        outcome: Callable[[], str] = str,
    ) -> None:
        self._render = render
        self._outcome = outcome
        self._handler = type("Handler", (_Handler,), {"timeout_seconds": connection_seconds})
        self._scrapers: dict[str, Scraper] = {}
        self._was_scraped = False
        self._is_final = False
        self._run_id = ""
        self._final_scrape = Event()
        self._wsgi: Any = None

    def start(self, settings: Settings) -> int:
        """Serve from now on; return the port. Raises BadInput if a requested port is taken."""
        ports = (
            [settings.port]
            if settings.port_was_asked_for or settings.port == 0
            else range(settings.port, settings.port + _PORTS_TO_TRY)
        )
        self._run_id = settings.run_id
        fixed = {"log": None, "error_log": logger, "handler_class": self._handler}
        for port in ports:
            inherited = inherited_sockets.listener(settings.host, port, _BACKLOG)
            self._wsgi = WSGIServer(
                inherited or (settings.host, port),
                self._answer,
                spawn=Pool(_MAX_CONNECTIONS),
                **fixed,
            )
            try:
                self._wsgi.start()
            except OSError as error:
                reason = os.strerror(error.errno or 0)  # gevent's own text repeats the address
                logger.debug("port %s: %s", port, reason)
            else:
                return int(self._wsgi.server_port)
        raise BadInput(
            f"the exporter cannot serve {settings.host}:{settings.port}: {reason};"
            " set FIREDRILL_EXPORTER_PORT to a free port, or to 0 for any"
        )

    def wait_for_final_scrape(self, seconds: float) -> bool:
        """Wait until the state of this moment was scraped; return whether it was, or never will be.

        It does not wait if nobody ever scraped. A machine that stands still does not use the time
        up, because a scraper on it stands still as well.
        """
        self._is_final = True
        polls = max(1, round(seconds / _POLL_SECONDS))
        return not self._was_scraped or any(
            self._final_scrape.wait(timeout=seconds / polls) for _ in range(polls)
        )

    def _answer(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/outcome":
            start_response("200 OK", [("Content-Type", "application/json"), _CLOSE])
            return [self._outcome().encode()]
        if not has_metrics(environ["PATH_INFO"], self._run_id):
            start_response("404 Not Found", [("Content-Type", "text/plain"), _CLOSE])
            return [b"This run's metrics are at /metrics.\n"]
        scrape, time_slice, is_final = self._scrape(environ), TimeSlice(give_way), self._is_final
        text = self._render(scrape, time_slice)
        time_slice.pause_if_over()
        body = text.encode("utf-8", "replace")
        headers = [("Content-Type", CONTENT_TYPE), _CLOSE]
        if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            body = gzip_in_slices(body, time_slice)
            headers.append(("Content-Encoding", "gzip"))
        start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
        return self._send(body, scrape, is_final=is_final)

    def _send(self, body: bytes, scrape: Scrape | None, *, is_final: bool) -> Iterator[bytes]:
        yield body
        # Reached when the body has been written.
        self._was_scraped = True
        was_delivered = scrape.mark_delivered() if scrape else not self._scrapers
        if is_final and was_delivered and (scrape is None or scrape.shows_all_values):
            self._final_scrape.set()

    def _scrape(self, environ: dict[str, Any]) -> Scrape | None:
        """Return the scrape of a Prometheus, which sends its timeout; None for other clients.

        Other clients see every value at once.
        """
        name = environ.get("HTTP_USER_AGENT", "")
        timeout = environ.get("HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS", "")
        is_new = name not in self._scrapers
        if not _is_number(timeout) or (is_new and len(self._scrapers) >= _MAX_SCRAPERS):
            return None
        return Scrape(self._scrapers.setdefault(name, Scraper()), float(timeout))


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()
