"""What a client tells of a request, made fit to be added up and sent: Locust takes anything, and one such value ends a worker's reports."""

from __future__ import annotations

import functools
from numbers import Real
from typing import TYPE_CHECKING, Any

from locust_exporter.counting.labels import encodable

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 10**15
"""Milliseconds (30,000 years) or bytes; sums of more soon have no place in the 64 bits of a message."""


_NUMBER: Any = Real
"""Real itself tells a type checker of no comparison."""


def milliseconds(told: Any) -> float | None:
    """The time; None for what cannot be one."""
    if (told.__class__ is float or told.__class__ is int) and 0 <= told <= MOST:
        return told
    return float(told) if isinstance(told, _NUMBER) and 0 <= told <= MOST else None


def length(told: Any) -> int:
    """The bytes; 0 for what cannot be a length."""
    if told.__class__ is int and 0 <= told <= MOST:
        return told
    return int(told) if isinstance(told, _NUMBER) and 0 <= told <= MOST else 0


def text(told: Any) -> str | None:
    """A method or a name as text that can be sent; None stays None."""
    if told.__class__ is str and told.isascii():
        return told
    return None if told is None else encodable(str(told))


def request(log_request: Callable[..., None]) -> Callable[..., None]:
    """`log_request`, a method of Locust's statistics, of what is fit."""

    @functools.wraps(log_request)
    def log(
        stats: object, method: object, name: object, response_time: object, content_length: object
    ) -> None:
        log_request(
            stats, text(method), text(name), milliseconds(response_time), length(content_length)
        )

    return log


def error(log_error: Callable[..., None]) -> Callable[..., None]:
    """`log_error`, a method of Locust's statistics, of the same names."""

    @functools.wraps(log_error)
    def log(stats: object, method: object, name: object, error: object) -> None:
        log_error(stats, text(method), text(name), error)

    return log
