"""Values that clients report, made safe to add up, to send, and to use as labels.

Locust takes anything as a name or a number, and one such value ends a worker's reports.
"""

from __future__ import annotations

import functools
import hashlib
import re
from numbers import Real
from typing import TYPE_CHECKING, Any

from locust_exporter.counting.load_phase import OUTSIDE_LOAD

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_NUMBER = 10**15
"""Milliseconds (30,000 years) or bytes; sums of more soon exceed the 64 bits of a message."""
OTHER = "other"
"""Label value of everything beyond a cap."""
MAX_METHODS = 30
"""HTTP has nine; a client of another protocol may call a number or an id its method."""
MAX_ERROR_CLASSES = 30
"""Classes of errors, such as `HTTPError`; later ones are `other`."""

Endpoint = tuple[str, str]
"""Label values: method, name."""

_NUMBER: Any = Real
"""Real without its type, which offers a type checker no comparison."""
_MAX_CHARACTERS = 200
_HASH_CHARACTERS = 8
_CLASS = re.compile(r"<?([A-Za-z_]\w*)(?: at 0x|\()")
_STATUS = re.compile(r"HTTPError\('(\d{3}) |code=(\d{3})\b")


def milliseconds(reported: Any) -> float | None:
    """Return a reported response time; None for a value that cannot be one."""
    if (reported.__class__ is float or reported.__class__ is int) and (
        0 <= reported <= LARGEST_NUMBER
    ):
        return reported
    if isinstance(reported, _NUMBER) and 0 <= reported <= LARGEST_NUMBER:
        return float(reported)
    return None


def length(reported: Any) -> int:
    """Return a reported length in bytes; 0 for a value that cannot be one."""
    if reported.__class__ is int and 0 <= reported <= LARGEST_NUMBER:
        return reported
    if isinstance(reported, _NUMBER) and 0 <= reported <= LARGEST_NUMBER:
        return int(reported)
    return 0


def text(reported: Any) -> str | None:
    """Return a method or a name as text that can be sent; None stays None."""
    if reported.__class__ is str and reported.isascii():
        return reported
    return None if reported is None else encodable(str(reported))


def encodable(text: str) -> str:
    r"""Return the text with each lone surrogate spelled out, as in `\udc80`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def sanitized_log_request(log_request: Callable[..., None]) -> Callable[..., None]:
    """Wrap `log_request` of Locust's statistics: safe values only, requests of the load only."""

    @functools.wraps(log_request)
    def log(
        stats: object, method: object, name: object, response_time: object, content_length: object
    ) -> None:
        if OUTSIDE_LOAD.get():
            return
        log_request(
            stats, text(method), text(name), milliseconds(response_time), length(content_length)
        )

    return log


def sanitized_log_error(log_error: Callable[..., None]) -> Callable[..., None]:
    """Wrap `log_error` of Locust's statistics: names and requests as in `log_request`."""

    @functools.wraps(log_error)
    def log(stats: object, method: object, name: object, error: object) -> None:
        if OUTSIDE_LOAD.get():
            return
        log_error(stats, text(method), text(name), error)

    return log


def label_value(reported: object) -> str:
    """Return text that UTF-8 can encode, of at most 200 characters; "" for None.

    A longer text is cut, and a name that is really `other` could be taken for what was folded.
    Both end in `~` and a hash of the whole text, so that two values that differ stay two.
    """
    value = "" if reported is None else encodable(str(reported))
    return _hashed(value) if len(value) > _MAX_CHARACTERS or value == OTHER else value


def _hashed(value: str) -> str:
    digest = hashlib.sha256(value.encode()).hexdigest()[:_HASH_CHARACTERS]
    return f"{value[: _MAX_CHARACTERS - 1 - _HASH_CHARACTERS]}~{digest}"


class Cap:
    """Admits the first `limit` distinct values and folds later ones into `other` for good."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._admitted: set[str] = set()
        self._folded: set[str] = set()

    def fold(self, value: str) -> str:
        """Return the value itself, or `other`."""
        if value in self._admitted or value == OTHER:
            return value
        if value not in self._folded and len(self._admitted) < self._limit:
            self._admitted.add(value)
            return value
        self._folded.add(value)
        return OTHER

    @property
    def folded(self) -> int:
        """The number of distinct values that were folded."""
        return len(self._folded)


class Endpoints:
    """The methods and names of requests, each below a cap."""

    def __init__(self, max_names: int) -> None:
        self._methods, self.names = Cap(MAX_METHODS), Cap(max_names)

    def of(self, method: object, name: object) -> Endpoint:
        """Return the labels of a method and a name as a client reported them."""
        return self.fold(label_value(method), label_value(name))

    def fold(self, method: str, name: str) -> Endpoint:
        """Return the labels of a method and a name that are label values already."""
        return self._methods.fold(method), self.names.fold(name)


def error_class(error: str) -> str:
    """Return `HTTP 503`, `timeout` or the exception's class, from the `repr` that Locust keeps.

    Message text never becomes a label.
    """
    match = _CLASS.match(error)
    if match is None:
        return OTHER
    status = _STATUS.search(error)
    if status and match[1] in {"HTTPError", "LocustBadStatusCode", "BadStatusCode"}:
        return f"HTTP {status[1] or status[2]}"
    # FastHttpUser's client wraps a timeout, and keeps of it only these words.
    timed_out = "timeout" in match[1].lower() or (
        match[1] == "RetriesExceeded" and "original=timed out" in error
    )
    return "timeout" if timed_out else match[1]
