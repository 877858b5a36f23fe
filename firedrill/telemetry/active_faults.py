"""The active faults of an application: parsed and stored by its metrics endpoint, with an end.

They lie in the shared memory, and only where the application made room for them. A fault ends by
its time stamp, so it ends even if whoever set it is gone. What a fault does is up to the
application.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any

from firedrill.contract import gauge
from firedrill.errors import BadInput
from firedrill.fault_kinds import FAULT_KINDS, FAULT_LONGEST_SECONDS, FaultKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import BinaryIO

    from firedrill.telemetry.shared_cells import Cells, Series

    Answer = tuple[HTTPStatus, dict[str, Any]]
    Setting = tuple[float, float]
    """Size in base units, and duration in seconds."""

SIZE = gauge("fault_size", "Size of the fault that was set last, in base units.", "fault")
UNTIL = gauge(
    "fault_until_seconds",
    "perf_counter() when it ends; all processes of a machine share this clock.",
    "fault",
)

PATH = "/faults"
LARGEST_BODY_BYTES = 4096
FOR = "for_seconds"


class ActiveFaults:
    """The faults of one application: the metrics process sets them, the application reads them."""

    def __init__(self, cells: Cells, places: Mapping[str, tuple[int, int]]) -> None:
        """Use the cells of each fault's size and end in `places`."""
        self._values = cells.values
        self._places = places

    @classmethod
    def create(cls, cells: Cells) -> ActiveFaults:
        """Make room for every kind, so that faults can be set from now on. Call it once."""
        return cls(
            cells,
            {
                fault: (cells.reserve(SIZE, (fault,)), cells.reserve(UNTIL, (fault,)))
                for fault in FAULT_KINDS
            },
        )

    @classmethod
    def from_series(cls, cells: Cells, series: Iterable[Series]) -> ActiveFaults | None:
        """Return the faults that the application made room for; None if it takes no faults."""
        first = {
            (line.name, line.labels): line.first
            for line in series
            if line.name in {SIZE.name, UNTIL.name}
        }
        if len(first) < 2 * len(FAULT_KINDS):
            return None
        return cls(
            cells,
            {
                fault: (first[SIZE.name, (fault,)], first[UNTIL.name, (fault,)])
                for fault in FAULT_KINDS
            },
        )

    def size(self, fault: str) -> float:
        """Return the fault's size in base units; 0 while it is off."""
        size, until = self._places[fault]
        return self._values[size] if perf_counter() < self._values[until] else 0.0

    def remaining_seconds(self, fault: str) -> float:
        """Return how long the fault still lasts; 0 while it is off."""
        return max(0.0, self._values[self._places[fault][1]] - perf_counter())

    def set(self, fault: str, size: float, for_seconds: float) -> None:
        """Begin a fault, or replace it."""
        at, until = self._places[fault]
        self._values[at] = size
        # The end last, so that a reader never takes an old size for the new fault's.
        self._values[until] = perf_counter() + for_seconds

    def clear(self) -> None:
        """End every fault."""
        for _, until in self._places.values():
            self._values[until] = 0.0


def answer(faults: ActiveFaults, method: str, headers: Mapping[str, str], body: BinaryIO) -> Answer:
    """Answer a request for PATH: GET lists faults, POST sets some, DELETE ends all.

    Every answer lists the faults that are active then.
    """
    if "Origin" in headers:
        return _refusal(
            HTTPStatus.FORBIDDEN, "this request comes from a web page; expected a program"
        )
    if method == "POST":
        return _post(faults, headers, body)
    if method == "DELETE":
        faults.clear()
    return HTTPStatus.OK, as_json(faults)


def as_json(faults: ActiveFaults) -> dict[str, Any]:
    """Return the active faults as `{"latency": {"seconds": 0.3, "remaining_seconds": 29.9}}`."""
    return {
        fault: {
            **({kind.unit: faults.size(fault)} if kind.unit else {}),
            "remaining_seconds": round(remaining, 3),
        }
        for fault, kind in FAULT_KINDS.items()
        if (remaining := faults.remaining_seconds(fault))
    }


def _post(faults: ActiveFaults, headers: Mapping[str, str], body: BinaryIO) -> Answer:
    # A page in a browser cannot send this type to another site without asking first, and nobody
    # here answers such questions.
    if headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
        return _refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json"
        )
    length = headers.get("Content-Length", "")
    if not re.fullmatch(r"[0-9]{1,9}", length):
        return _refusal(HTTPStatus.LENGTH_REQUIRED, "expected a Content-Length")
    if int(length) > LARGEST_BODY_BYTES:
        return _refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the body has {length} bytes; expected {LARGEST_BODY_BYTES} at most",
        )
    try:
        settings = read_settings(body.read(int(length)))
    except BadInput as mistake:
        return _refusal(HTTPStatus.BAD_REQUEST, str(mistake))
    for fault, (size, seconds) in settings.items():
        faults.set(fault, size, seconds)
    return HTTPStatus.OK, as_json(faults)


def _refusal(status: HTTPStatus, text: str) -> Answer:
    return status, {"error": text}


def read_settings(body: bytes) -> dict[str, Setting]:
    """Read settings such as `{"latency": {"seconds": 0.3, "for_seconds": 30}}`.

    Raises BadInput if any of them is wrong, and then none is set.
    """
    try:
        document = json.loads(body, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the body is no JSON ({error or 'nested too deeply'})") from error
    if not isinstance(document, dict) or not document:
        raise BadInput(
            "the body names no fault;"
            f" expected an object with one or more of {', '.join(FAULT_KINDS)}"
        )
    return {fault: _setting(fault, given) for fault, given in document.items()}


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a key is given twice")
    return document


def _setting(fault: str, given: Any) -> Setting:
    if fault not in FAULT_KINDS:
        raise BadInput(f"{fault} is no fault; expected {', '.join(FAULT_KINDS)}")
    kind = FAULT_KINDS[fault]
    keys = [FOR] if kind.unit is None else [kind.unit, FOR]
    if not isinstance(given, dict) or sorted(given) != sorted(keys):
        raise BadInput(
            f"{fault} is {json.dumps(given)}; expected an object with {' and '.join(keys)}"
        )
    size = 1.0 if kind.unit is None else _number(f"{fault}.{kind.unit}", given[kind.unit], kind)
    return size, _number(f"{fault}.{FOR}", given[FOR], FaultKind(FOR, FAULT_LONGEST_SECONDS))


def _number(place: str, given: Any, kind: FaultKind) -> float:
    is_number = isinstance(given, int if kind.whole else int | float) and not isinstance(
        given, bool
    )
    if not is_number or not 0 < given <= kind.largest:
        sort = "a whole number" if kind.whole else "a number"
        raise BadInput(
            f"{place} is {json.dumps(given)}; expected {sort} above 0, {kind.largest:g} at most"
        )
    return float(given)
