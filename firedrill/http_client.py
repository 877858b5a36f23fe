"""The HTTP client of the command line: a timeout on every request, no proxies, one exception.

Proxies in the environment are ignored: most addresses are on loopback, and a load test
that goes through a proxy measures the proxy.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import urllib3

from firedrill.errors import Missing
from firedrill.names import without_userinfo

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXPECTED_URL = "not a URL; expected one such as http://127.0.0.1:8000"
_FOLLOW = urllib3.Retry(total=None, connect=0, read=0, redirect=10, status=0, other=0)


class NoAnswer(Missing):
    """A URL gave no HTTP response; the message names it, without its password, and the cause."""

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(f"{without_userinfo(url)}: {cause}")
        self.cause = cause
        """In a few words, such as `connection refused`."""


class TimedOut(NoAnswer):
    """The answer took longer than the timeout."""


class Untrusted(NoAnswer):
    """The server answers, with a certificate that nobody vouches for."""


class BadUrl(NoAnswer):
    """The text is not an http or https URL."""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response, read to its end."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    def text(self) -> str:
        """Return the body as text, on one line."""
        return " ".join(self.body.decode(errors="replace").split())

    def json(self) -> Any:
        """Return the body parsed as JSON. Raises ValueError if it is not JSON."""
        return json.loads(self.body)


class HttpClient:
    """Connections that are kept, for many requests to the same servers."""

    def __init__(self) -> None:
        self._pools = urllib3.PoolManager(retries=False)

    def request(
        self,
        method: str,
        url: str,
        *,
        timeout_seconds: float,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool = False,
    ) -> Response:
        """Send a request and read the response, whatever its status.

        A name and password in the URL are sent as basic authentication. The timeout holds for the
        connection and for each wait for more of the response.

        Raises:
            BadUrl: it is not an http or https URL.
            TimedOut: no response came in time.
            Untrusted: its certificate cannot be verified.
            NoAnswer: no response came for another reason.
        """
        if not url.lower().startswith(("http://", "https://")):
            raise BadUrl(url, _EXPECTED_URL)
        try:
            answer = self._pools.request(
                method,
                url,
                body=body,
                headers={**_authorization(url), **(headers or {})},
                timeout=timeout_seconds,
                retries=_FOLLOW if follow_redirects else False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise _no_answer(url, timeout_seconds, error) from error
        return Response(answer.status, answer.data)

    def close(self) -> None:
        """Close the kept connections."""
        self._pools.clear()


def request(
    method: str,
    url: str,
    *,
    timeout_seconds: float,
    json_body: object = None,
    follow_redirects: bool = True,
) -> Response:
    """Send one request on a connection of its own; raises what `HttpClient.request` does."""
    has_body = json_body is not None
    client = HttpClient()
    try:
        return client.request(
            method,
            url,
            timeout_seconds=timeout_seconds,
            body=json.dumps(json_body) if has_body else None,
            headers={"Content-Type": "application/json"} if has_body else None,
            follow_redirects=follow_redirects,
        )
    finally:
        client.close()


@lru_cache(maxsize=64)
def _authorization(url: str) -> Mapping[str, str]:
    try:
        userinfo = urllib3.util.parse_url(url).auth
    except urllib3.exceptions.LocationParseError:
        return {}
    return urllib3.make_headers(basic_auth=unquote(userinfo)) if userinfo else {}


def _no_answer(url: str, timeout_seconds: float, error: urllib3.exceptions.HTTPError) -> NoAnswer:
    reason = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
    if isinstance(reason, urllib3.exceptions.LocationValueError):
        return BadUrl(url, _EXPECTED_URL)
    if "Connection refused" in str(reason):
        return NoAnswer(url, "connection refused")
    if isinstance(reason, urllib3.exceptions.SSLError) and "CERTIFICATE_VERIFY" in str(reason):
        return Untrusted(url, "its certificate cannot be verified")
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return NoAnswer(url, "unknown host")
    # urllib3 counts every other failure to connect among its timeouts.
    if isinstance(reason, urllib3.exceptions.TimeoutError) and not isinstance(
        reason, urllib3.exceptions.NewConnectionError
    ):
        return TimedOut(url, f"no answer within {timeout_seconds:g} s")
    return NoAnswer(url, reason.__class__.__name__)
