"""The exporter's own HTTP server: it answers headless as well, and never behind the web page's login."""

from __future__ import annotations

import logging
import os
import zlib
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from firedrill.contract import CONTENT_TYPE
from firedrill.errors import BadInput
from locust_exporter.endpoint.scrape import Scrape, Scraper
from locust_exporter.time_slice import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from locust_exporter.exporter_settings import Settings

logger = logging.getLogger(__name__)

_PORTS_TO_TRY = 50
_MOST_SCRAPERS = 16
_MOST_AT_ONCE = 8
_PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.1


_PIECE_BYTES = 250_000
"""Compressed at a time: about a millisecond."""
_CLOSE = ("Connection", "close")
_GZIP = 16 + zlib.MAX_WBITS


def packed(body: bytes, turn: Turn) -> bytes:
    """As gzip. At 1000 endpoints level 9 takes 83 ms, 1 takes 7.5 ms, in which no request of the load test proceeds."""
    packer, pieces = zlib.compressobj(level=1, wbits=_GZIP), []
    for start in range(0, len(body), _PIECE_BYTES):
        turn.pause()
        pieces.append(packer.compress(body[start : start + _PIECE_BYTES]))
    return b"".join((*pieces, packer.flush()))


class _Handler(WSGIHandler):  # type: ignore[misc]
    """Of one connection."""

    patience_seconds: float

    def handle(self) -> None:
        """Until it is over, or too long."""
        with gevent.Timeout(self.patience_seconds, exception=False):
            super().handle()


def give_way() -> None:
    """Let everybody run once. A sleep of 0 lets only those run who wait for nothing."""
    gevent.sleep(0.0001)


class Server:
    """Serves `/metrics` from `page`, a function of the scrape that asks for it.

    A connection is for one request and `patience_seconds`: few are served at once, and who idles would keep others out for ever.
    """

    def __init__(
        self,
        page: Callable[[Scrape | None, Turn], str],
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self._page = page
        self._handler = type("Handler", (_Handler,), {"patience_seconds": patience_seconds})
        self._scrapers: dict[str, Scraper] = {}
        self._scraped = False
        self._is_final = False
        self._fetched = Event()
        self._wsgi: Any = None

    def start(self, settings: Settings) -> int:
        """The port that is served from now on. Raises BadInput if one was asked for and is taken."""
        ports = (
            [settings.port]
            if settings.port_was_asked_for or settings.port == 0
            else range(settings.port, settings.port + _PORTS_TO_TRY)
        )
        fixed = {"log": None, "error_log": logger, "handler_class": self._handler}
        for port in ports:
            self._wsgi = WSGIServer(
                (settings.host, port), self._answer, spawn=Pool(_MOST_AT_ONCE), **fixed
            )
            try:
                self._wsgi.start()
            except OSError as error:
                reason = os.strerror(error.errno or 0)  # gevent's own text repeats the address
                logger.debug("port %s: %s", port, reason)
            else:
                return int(self._wsgi.server_port)
        raise BadInput(
            f"the exporter cannot serve {settings.host}:{settings.port}: {reason}; set FIREDRILL_EXPORTER_PORT"
        )

    def linger(self, seconds: float) -> bool:
        """Wait until the state of this moment has been fetched, at most so long; not at all if nobody ever fetched a page.

        A machine that stands still does not use the time up: whoever would fetch stands still as well.
        """
        self._is_final = True
        looks = max(1, round(seconds / _LOOK_SECONDS))
        return not self._scraped or any(
            self._fetched.wait(timeout=seconds / looks) for _ in range(looks)
        )

    def _answer(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            start_response("404 Not Found", [("Content-Type", "text/plain"), _CLOSE])
            return [b"The metrics are at /metrics.\n"]
        scrape, turn, is_final = self._scrape(environ), Turn(give_way), self._is_final
        page = self._page(scrape, turn)
        turn.pause()
        body = page.encode("utf-8", "replace")
        headers = [("Content-Type", CONTENT_TYPE), _CLOSE]
        if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            body = packed(body, turn)
            headers.append(("Content-Encoding", "gzip"))
        start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
        return self._send(body, scrape, is_final=is_final)

    def _send(self, body: bytes, scrape: Scrape | None, *, is_final: bool) -> Iterator[bytes]:
        yield body
        # Reached when the body has been written.
        self._scraped = True
        arrived = scrape.sent() if scrape else not self._scrapers
        if is_final and arrived and (scrape is None or scrape.complete):
            self._fetched.set()

    def _scrape(self, environ: dict[str, Any]) -> Scrape | None:
        """One for a Prometheus or one of its relatives, which send their timeout. Others see every value at once."""
        name, patience = (
            environ.get("HTTP_USER_AGENT", ""),
            environ.get("HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS", ""),
        )
        if not _is_number(patience) or (
            name not in self._scrapers and len(self._scrapers) >= _MOST_SCRAPERS
        ):
            return None
        return Scrape(self._scrapers.setdefault(name, Scraper()), float(patience))


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()
