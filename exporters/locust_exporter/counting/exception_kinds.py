"""Exceptions of the user's code by kind: what raised, type, first message and place.

The number of kinds and the length of each text are bounded, so they can be sent and stored.
"""

from __future__ import annotations

import sysconfig
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locust_exporter.counting.sanitize import OTHER, encodable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

MAX_KINDS = 20
"""Distinct kinds; exceptions of later ones are counted as `other`."""
MAX_CHARACTERS = 200

TASK = "task"
"""Source of an exception that ended a task; other sources are names of Locust's events."""

_NOT_THE_USERS = (
    str(Path(__file__).parents[1]),
    *(
        path
        for name, path in sysconfig.get_paths().items()
        if name in {"stdlib", "platstdlib", "purelib", "platlib"}
    ),
)

Kind = tuple[str, str, str]
"""Source, type, place."""


class ExceptionKinds:
    """Counts exceptions by kind."""

    def __init__(self) -> None:
        self._counts: Counter[Kind] = Counter()
        self._messages: dict[Kind, str] = {}

    def add(self, source: str, error: BaseException) -> None:
        """Count an exception; it never raises, whatever the exception's own code does."""
        try:
            message = " ".join(str(error).split())
        except Exception:  # noqa: BLE001 -- the user's __str__
            message = ""
        kind = (source, _text(type(error).__name__), _text(place(error.__traceback__)))
        self._add(kind, _text(message), 1)

    def clear(self) -> None:
        """Forget all."""
        self._counts.clear()
        self._messages.clear()

    def rows(self) -> list[dict[str, Any]]:
        """Return the kinds, the commonest first, as plain values."""
        return [
            {
                "source": source,
                "type": name,
                "message": self._messages[source, name, where],
                "place": where,
                "count": count,
            }
            for (source, name, where), count in self._counts.most_common()
        ]

    def add_row(self, row: dict[str, Any]) -> None:
        """Add a kind of another process."""
        kind = (_text(str(row["source"])), _text(str(row["type"])), _text(str(row["place"])))
        self._add(kind, _text(str(row["message"])), int(row["count"]))

    def _add(self, kind: Kind, message: str, count: int) -> None:
        if kind not in self._messages and len(self._messages) >= MAX_KINDS:
            kind, message = (OTHER, OTHER, ""), ""
        self._messages.setdefault(kind, message)
        self._counts[kind] += count


RAISED = ExceptionKinds()
"""The exceptions of this process in its latest test."""


def summed(processes: Iterable[Iterable[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the kinds of several processes, added up."""
    total = ExceptionKinds()
    for rows in processes:
        for row in rows:
            total.add_row(row)
    return total.rows()


def place(traceback: TracebackType | None) -> str:
    """Return `my.py:11` of the innermost frame in the user's code, else of the innermost frame."""
    frames = list(_frames(traceback))
    own = [frame for frame in frames if _is_the_users(frame[0])]
    if not frames:
        return ""
    file, line = (own or frames)[-1]
    return f"{Path(file).name}:{line}"


def _frames(traceback: TracebackType | None) -> Iterator[tuple[str, int]]:
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next


def _is_the_users(file: str) -> bool:
    parts = Path(file).parts
    installed = "site-packages" in parts or "dist-packages" in parts
    return not (installed or file.startswith(("<", *_NOT_THE_USERS)))


def _text(value: str) -> str:
    text = encodable(value)
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"
