"""Log one line of warning for what the instrumentation could not do; the application goes on."""

from __future__ import annotations

import logging

_said: set[str] = set()


def warn_once(consequence: str, cause: object) -> None:
    """Log what follows from a failure, once in this process and those that it forks."""
    if consequence not in _said:
        _said.add(consequence)
        logging.getLogger("firedrill").warning(
            "firedrill: %s (%s)", consequence, cause or "unknown"
        )
