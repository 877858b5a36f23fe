"""The client that sets faults on an API, and the spelling of faults on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from firedrill import http_client, units
from firedrill.errors import BadInput, Missing
from firedrill.fault_kinds import FAULT_KINDS
from firedrill.profile_form import FaultForm, complaint, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firedrill.http_client import Response

TIMEOUT_SECONDS = 5.0


def parse_words(words: Sequence[str]) -> dict[str, float]:
    """Return sizes in base units by fault, from `latency=300ms`, `errors=20%`, `stop`.

    Raises BadInput.
    """
    faults: dict[str, object] = {}
    for word in words:
        fault, equals, value = word.partition("=")
        if fault not in FAULT_KINDS:
            raise BadInput(f"{word}: {fault} is no fault{nearest(fault, FAULT_KINDS)}")
        if fault in faults:
            raise BadInput(f"{word}: {fault} is given twice; expected it once")
        faults[fault] = _as_in_yaml(value) if equals else fault == "stop" or ""
    try:
        return FaultForm.model_validate(faults).sizes()
    except ValidationError as invalid:
        error = invalid.errors(include_url=False)[0]
        raise BadInput(f"{error['loc'][0]} {complaint(error)}") from invalid


def _as_in_yaml(text: str) -> object:
    """Return a number if the text is one, else the text."""
    if re.fullmatch(r"\d+", text):
        return int(text)
    return float(text) if re.fullmatch(r"\d+\.\d+", text) else text


def spell(fault: str, size: float) -> str:
    """Return a fault for people: `latency 300 ms`, `errors 20 %`, `stop`."""
    amount = {
        "latency": units.seconds(size),
        "errors": units.percent(size),
        "cpu": _count(size, "core"),
        "stuck": _count(size, "worker"),
        "memory": f"{units.size(size)}/s",
        "stop": "",
    }[fault]
    return f"{fault} {amount}".strip()


def _count(number: float, noun: str) -> str:
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {noun}s"


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that is active on an API."""

    fault: str
    size: float
    """Size in base units; 1 for stop."""
    remaining_seconds: float

    def __str__(self) -> str:
        return f"{spell(self.fault, self.size)}, {units.seconds(self.remaining_seconds)} left"


@dataclass(frozen=True, slots=True)
class FaultClient:
    """The faults of one API.

    Every method raises Missing if nothing answers or faults are off, and BadInput if a fault is
    refused.
    """

    base_url: str
    """Address of the API's metrics endpoint without its path: `http://127.0.0.1:9464`."""
    timeout_seconds: float = TIMEOUT_SECONDS
    """Longest time that an answer may take."""

    def set(self, sizes: Mapping[str, float], for_seconds: float) -> list[ActiveFault]:
        """Set faults from now on for a time; return the faults that are active then."""
        return self._ask(
            "POST", {fault: _as_json(fault, size, for_seconds) for fault, size in sizes.items()}
        )

    def active(self) -> list[ActiveFault]:
        """Return the faults that are active now."""
        return self._ask("GET")

    def clear(self) -> None:
        """End every fault."""
        self._ask("DELETE")

    def _ask(self, method: str, body: object = None) -> list[ActiveFault]:
        url = f"{self.base_url.rstrip('/')}/faults"
        try:
            answer = http_client.request(
                method,
                url,
                json_body=body,
                timeout_seconds=self.timeout_seconds,
                follow_redirects=False,
            )
        except http_client.BadUrl as error:
            raise BadInput(
                f"{self.base_url} is no address; expected a URL such as http://127.0.0.1:9464"
            ) from error
        except http_client.NoAnswer as error:
            raise Missing(
                f"{url}: nothing answers; expected the metrics port of a running API"
                " (`python -m api --faults`)"
            ) from error
        if answer.status == 404:
            raise Missing(
                f"{url}: this API takes no faults;"
                " start it with API_FAULTS=1, or `python -m api --faults`"
            )
        return _active(url, answer)


def _as_json(fault: str, size: float, for_seconds: float) -> dict[str, float]:
    kind = FAULT_KINDS[fault]
    return {
        **({kind.unit: int(size) if kind.whole else size} if kind.unit else {}),
        "for_seconds": for_seconds,
    }


def _active(url: str, answer: Response) -> list[ActiveFault]:
    try:
        document: dict[str, Any] = answer.json()
        if answer.status == 400:
            raise BadInput(f"{url}: {document['error']}")
        units_of = {fault: FAULT_KINDS[fault].unit for fault in document}
        return [
            ActiveFault(
                fault=fault,
                size=setting[units_of[fault]] if units_of[fault] else 1.0,
                remaining_seconds=setting["remaining_seconds"],
            )
            for fault, setting in document.items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Missing(
            f"{url}: the answer (status {answer.status}) is no list of faults;"
            " expected the metrics port of the API"
        ) from error
