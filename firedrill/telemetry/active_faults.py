"""The active faults of an application: parsed and stored by its metrics endpoint, with an end.

They lie in the shared memory of each process, and only where the application made room for them. A
fault ends by its time stamp, so it ends even if whoever set it is gone. What a fault does is up to
the application.
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
    from collections.abc import Iterable, Mapping, Sequence
    from typing import BinaryIO

    from firedrill.telemetry.shared_cells import Cells

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
    """The faults of one application: the metrics process sets them, the application reads them.

    Each process of an application reads its own cells; a fault is set in all of them.
    """

    def __init__(self, cells: Cells, *others: Cells) -> None:
        """Use the faults for which `cells` and `others` have room; `cells` is read."""
        self._cells = (cells, *others)
        self._places = [_places(each) for each in self._cells]

    @classmethod
    def create(cls, cells: Cells) -> ActiveFaults:
        """Make room for every kind, so that faults can be set from now on."""
        return cls(cells)

    def size(self, fault: str) -> float:
        """Return the fault's size in base units; 0 while it is off."""
        (size, until), values = self._places[0][fault], self._cells[0].values
        return values[size] if perf_counter() < values[until] else 0.0

    def remaining_seconds(self, fault: str) -> float:
        """Return how long the fault still lasts; 0 while it is off."""
        return max(0.0, self._until(fault) - perf_counter())

    def _until(self, fault: str) -> float:
        return self._cells[0].values[self._places[0][fault][1]]

    def set(self, fault: str, size: float, for_seconds: float) -> None:
        """Begin a fault, or replace it."""
        self._write(fault, size, perf_counter() + for_seconds)

    def _write(self, fault: str, size: float, until: float) -> None:
        for cells, places in zip(self._cells, self._places, strict=True):
            at, ends_at = places[fault]
            cells.values[at] = size
            # The end last, so that a reader never takes an old size for the new fault's.
            cells.values[ends_at] = until

    def copy_to(self, others: Iterable[ActiveFaults], fault: str) -> None:
        """Give others this fault as it is here."""
        size, until = self.size(fault), self._until(fault)
        for faults in others:
            faults._write(fault, size, until)  # noqa: SLF001 -- its own class

    def clear(self) -> None:
        """End every fault."""
        for cells, places in zip(self._cells, self._places, strict=True):
            for _, until in places.values():
                cells.values[until] = 0.0


def _places(cells: Cells) -> dict[str, tuple[int, int]]:
    """Return the cells of each fault's size and end; only an application's own may be new."""
    known = {(line.name, line.labels): line.first for line in cells.series()}
    size, until = (
        {
            fault: known.get((metric.name, (fault,))) or cells.reserve(metric, (fault,))
            for fault in FAULT_KINDS
        }
        for metric in (SIZE, UNTIL)
    )
    return {fault: (size[fault], until[fault]) for fault in FAULT_KINDS}


def find(sources: Iterable[Cells]) -> ActiveFaults | None:
    """Return the faults of an application from the cells of its processes; None if it takes none.

    Cells without room for faults are left out.
    """
    taking = [cells for cells in sources if takes_faults(cells)]
    return ActiveFaults(*taking) if taking else None


def takes_faults(cells: Cells) -> bool:
    """Return whether the application made room for faults."""
    room = sum(line.name in {SIZE.name, UNTIL.name} for line in cells.series())
    return room >= 2 * len(FAULT_KINDS)


def share(sources: Sequence[Cells]) -> None:
    """Give every process the active faults: a new one those of the others.

    The first of `sources` keeps them when all processes have ended.
    """
    if not any(takes_faults(cells) for cells in sources):
        return
    ActiveFaults(sources[0])
    everywhere = [ActiveFaults(cells) for cells in sources if takes_faults(cells)]
    for fault in FAULT_KINDS:
        remaining = [faults.remaining_seconds(fault) for faults in everywhere]
        everywhere[remaining.index(max(remaining))].copy_to(everywhere, fault)


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
