"""Label values that stay few and clean, whatever a locustfile reports."""

from __future__ import annotations

import re

OTHER = "other"
"""What lies beyond a cap."""

MOST_METHODS = 30
"""HTTP has nine; a client of another protocol may call a number or an id its method."""

_LONGEST = 200
_CLASS = re.compile(r"<?([A-Za-z_]\w*)(?: at 0x|\()")
_STATUS = re.compile(r"HTTPError\('(\d{3}) |code=(\d{3})\b")


def clean(value: object) -> str:
    """Text that UTF-8 can encode, no longer than 200 characters; empty for None."""
    text = "" if value is None else str(value)
    return text[:_LONGEST].encode("utf-8", "replace").decode("utf-8")


class Cap:
    """Lets the first `limit` distinct values through and folds later ones into `other`; what was folded stays folded."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._admitted: set[str] = set()
        self._folded: set[str] = set()

    def fold(self, value: str) -> str:
        """The value itself, or `other`."""
        if value in self._admitted or value == OTHER:
            return value
        if value not in self._folded and len(self._admitted) < self._limit:
            self._admitted.add(value)
            return value
        self._folded.add(value)
        return OTHER

    @property
    def folded(self) -> int:
        """Distinct values that were folded."""
        return len(self._folded)


def error_class(error: str) -> str:
    """`HTTP 503`, `timeout`, or the exception's class, from the `repr` that Locust keeps of an error; never message text."""
    match = _CLASS.match(error)
    if match is None:
        return OTHER
    status = _STATUS.search(error)
    if status and match[1] in {"HTTPError", "LocustBadStatusCode", "BadStatusCode"}:
        return f"HTTP {status[1] or status[2]}"
    # FastHttpUser's client wraps a timeout, and keeps of it only these words.
    gave_up = "timeout" in match[1].lower() or (match[1] == "RetriesExceeded" and "original=timed out" in error)
    return "timeout" if gave_up else match[1]
