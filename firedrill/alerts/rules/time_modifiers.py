"""The modifiers `offset` and `@`: expressions that read the future, or differ in a range query.

Prometheus evaluates a rule at one time. A replay asks for many times at once, of data that goes on
after each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill.alerts.rules import tokens
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator


def refuse_future(expr: str, first_ms: int) -> None:
    """Raise BadInput if an expression reads samples from after its evaluation.

    Args:
        expr: The expression.
        first_ms: Unix time of its first evaluation, in milliseconds.
    """
    for first, second, third in _triples(expr):
        if (first.lower(), second) == ("offset", "-"):
            raise BadInput(
                f"offset -{third} reads what is recorded later, which Prometheus did not know when "
                "it evaluated the rule; expected an offset into the past"
            )
        if first != "@":
            continue
        time_ms = _milliseconds(second + third if second in {"-", "+"} else second)
        if time_ms is not None and time_ms > first_ms:
            raise BadInput(
                f"@ {second} comes after the first evaluation, so Prometheus did not know it when "
                "it evaluated the rule; expected a time before the run"
            )


def needs_instant_queries(expr: str) -> bool:
    """Return whether `@ start()` or `@ end()` would mean another time in a range query."""
    return any(
        first == "@" and second.lower() in {"start", "end"} for first, second, _ in _triples(expr)
    )


def _triples(expr: str) -> Iterator[tuple[str, str, str]]:
    lexemes = [lexeme for _, kind, lexeme in tokens.significant(expr) if kind != "string"]
    return zip(lexemes, [*lexemes[1:], ""], [*lexemes[2:], "", ""], strict=False)


def _milliseconds(text: str) -> float | None:
    """Return a Unix time in seconds as milliseconds; None if `text` is no number."""
    try:
        return float(text) * 1000
    except ValueError:
        return None
