"""Label values that stay few, clean and distinct, whatever a locustfile reports."""

from __future__ import annotations

import hashlib
import re

OTHER = "other"
"""What lies beyond a cap."""

MOST_METHODS = 30
"""HTTP has nine; a client of another protocol may call a number or an id its method."""

Endpoint = tuple[str, str]
"""Label values: method, name."""

_LONGEST = 200
_MARK_CHARACTERS = 8
_CLASS = re.compile(r"<?([A-Za-z_]\w*)(?: at 0x|\()")
_STATUS = re.compile(r"HTTPError\('(\d{3}) |code=(\d{3})\b")


def clean(value: object) -> str:
    """Text that UTF-8 can encode, no longer than 200 characters; empty for None.

    What is longer is cut, and a truly named `other` could be taken for what was folded: both end in `~` and a hash of all of the text, so
    that two values that differ stay two.
    """
    text = "" if value is None else encodable(str(value))
    return _marked(text) if len(text) > _LONGEST or text == OTHER else text


def encodable(text: str) -> str:
    r"""The text, with `\udc80` spelled out where a lone surrogate is in it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _marked(text: str) -> str:
    mark = hashlib.sha256(text.encode()).hexdigest()[:_MARK_CHARACTERS]
    return f"{text[: _LONGEST - 1 - _MARK_CHARACTERS]}~{mark}"


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


class Endpoints:
    """The methods and names of requests, each below a cap."""

    def __init__(self, max_names: int) -> None:
        self._methods, self.names = Cap(MOST_METHODS), Cap(max_names)

    def of(self, method: object, name: object) -> Endpoint:
        """The labels of what a client reported."""
        return self.fold(clean(method), clean(name))

    def fold(self, method: str, name: str) -> Endpoint:
        """The labels of what is clean, and may have been folded by another process."""
        return self._methods.fold(method), self.names.fold(name)


def error_class(error: str) -> str:
    """`HTTP 503`, `timeout`, or the exception's class, from the `repr` that Locust keeps of an error; never message text."""
    match = _CLASS.match(error)
    if match is None:
        return OTHER
    status = _STATUS.search(error)
    if status and match[1] in {"HTTPError", "LocustBadStatusCode", "BadStatusCode"}:
        return f"HTTP {status[1] or status[2]}"
    # FastHttpUser's client wraps a timeout, and keeps of it only these words.
    gave_up = "timeout" in match[1].lower() or (
        match[1] == "RetriesExceeded" and "original=timed out" in error
    )
    return "timeout" if gave_up else match[1]
