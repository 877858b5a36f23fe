"""Expressions that read another moment than the evaluation's, or the past before it. Pure.

A rule is evaluated at one time; a replay asks for many at once, and of data that goes on after each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.alerts.scaling import shrink
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator


def need_past(expr: str, first_ms: int) -> None:
    """Raise BadInput for an expression that reads what had not happened when it was evaluated, from this Unix time on."""
    for one, following, third in _threes(expr):
        if (one.lower(), following) == ("offset", "-"):
            raise BadInput(
                f"offset -{third} reads what is recorded later: Prometheus does not know it yet, the recorded run does"
            )
        moment_ms = (
            _milliseconds(following + third if following in {"-", "+"} else following)
            if one == "@"
            else None
        )
        if moment_ms is not None and moment_ms > first_ms:
            raise BadInput(
                f"@ {following} comes after the first evaluation: Prometheus does not know that moment yet, the recorded run does"
            )


def is_alone(expr: str) -> bool:
    """Whether it means something else in a query over many times: `@ start()` and `@ end()` are the query's, and not the evaluation's."""
    return any(
        one == "@" and following.lower() in {"start", "end"} for one, following, _ in _threes(expr)
    )


def _threes(expr: str) -> Iterator[tuple[str, str, str]]:
    lexemes = [lexeme for _, kind, lexeme in shrink.significant(expr) if kind != "string"]
    return zip(lexemes, [*lexemes[1:], ""], [*lexemes[2:], "", ""], strict=False)


def _milliseconds(text: str) -> float | None:
    """Of a Unix time in seconds; None for what is no number."""
    try:
        return float(text) * 1000
    except ValueError:
        return None
