"""The check of `--scrape` before the load: each metrics endpoint is fetched once."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from firedrill import http_client
from firedrill.contract import Server
from firedrill.errors import BadInput
from firedrill.interrupt import Interrupted
from firedrill.stack import foreign_names

if TYPE_CHECKING:
    from firedrill.interrupt import Interrupt
    from firedrill.stack.configuration import Scrape

TIMEOUT_SECONDS = 10.0
REFUSED_SECONDS = 3.0
"""How long a refused connection is tried again: an endpoint may start with the first request."""
_EXPECTED = "expected the address of a metrics endpoint that is up"
_NUMBER = r"[-+]?(?:[0-9.][0-9.eE+-]*|nan|inf(?:inity)?)"
_LINE = re.compile(
    rf"\s*(?:#.*|(?:[a-z_:][a-z0-9_:]*(?:\s*\{{.*\}})?|\{{.*\}})\s+{_NUMBER}(?:\s.*)?)?",
    re.IGNORECASE,
)
_SAMPLE_OR_TYPE = re.compile(r"^(?:# TYPE |\s*[A-Za-z_:{])", re.MULTILINE)
_OWN = re.compile(
    rf"^(?:# TYPE )?(?:{Server.RESPONSE_TIME.name}(?:_\w+)?|{Server.PROCESSES.name})\b",
    re.MULTILINE,
)
"""Pages of our instrumentation: their families of requests come with the first request."""


def fetch(scrape: Scrape, target: str, interrupt: Interrupt) -> str:
    """Return the text of a metrics endpoint; ask the target once if the endpoint is not up.

    Raises:
        BadInput: nothing answers, or what answers is no Prometheus text.
        Interrupted: the user asked to stop.
    """
    url = f"http://{scrape.address}{scrape.path}"
    answer = _answer(url, target, interrupt)
    if answer.status != 200:
        raise BadInput(f"--scrape {url}: it answers with status {answer.status}; {_EXPECTED}")
    text = answer.body.decode(errors="replace")
    strange = next((line for line in text.splitlines() if not _LINE.fullmatch(line)), None)
    if strange is not None or not _SAMPLE_OR_TYPE.search(text):
        shown = f"its line {strange.strip()[:40]!r} is" if strange else "it has"
        raise BadInput(f"--scrape {url}: {shown} no Prometheus text; {_EXPECTED}")
    return text


def missing_families(scrape: Scrape, text: str) -> str | None:
    """Return a sentence about empty panels if a page of the API has no request durations."""
    if scrape.job != "api" or _OWN.search(text) or foreign_names.are_in(text):
        return None
    url = f"http://{scrape.address}{scrape.path}"
    needed = Server.REQUEST_DURATION.name
    if re.search(rf"^(?:# TYPE )?{needed}(?:_count)?\b", text, re.MULTILINE):
        return (
            f"--scrape {url} has {needed}, but no {Server.RESPONSE_TIME.name}; the figures of the "
            "run have the handler's time, and the server panels of response times stay empty"
        )
    return (
        f"--scrape {url} has no {needed}; the server's rate, errors and latency stay empty in the "
        "dashboards and in the run's figures; see docs/bring-your-own.md"
    )


def _answer(url: str, target: str, interrupt: Interrupt) -> http_client.Response:
    deadline = time.monotonic() + REFUSED_SECONDS
    is_asked = False
    while True:
        try:
            return http_client.request("GET", url, timeout_seconds=TIMEOUT_SECONDS)
        except http_client.NoAnswer as error:
            if error.cause != "connection refused" or time.monotonic() > deadline:
                raise BadInput(f"--scrape {error}; {_EXPECTED}") from error
        if not is_asked:
            # Our instrumentation opens its endpoint at the first request.
            with suppress(http_client.NoAnswer):
                http_client.request("GET", target, timeout_seconds=TIMEOUT_SECONDS)
            is_asked = True
        if interrupt.pause(0.2):
            raise Interrupted(f"interrupted while waiting for {url}")
