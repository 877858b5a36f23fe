"""What a rule says, whatever its blanks, comments, quotes and units. Pure."""

from __future__ import annotations

import ast

from firedrill.alerts.rules import durations
from firedrill.alerts.scaling import shrink

Meaning = tuple[tuple[str, str], ...]
"""Kind and value of each token."""


def of(expr: str) -> Meaning:
    """Of an expression; two that mean the same may still differ (`sum by (a) (x)`, `sum(x) by (a)`), two that differ never agree."""
    return tuple((kind, _value(kind, lexeme)) for _, kind, lexeme in shrink.significant(expr))


def _value(kind: str, lexeme: str) -> str:
    if kind == "duration":
        return durations.spelled(durations.milliseconds(lexeme))
    if kind == "number":
        return repr(float(int(lexeme, 16) if lexeme[:2].lower() == "0x" else float(lexeme)))
    if kind == "string":
        return _unquoted(lexeme)
    return lexeme


def _unquoted(lexeme: str) -> str:
    if lexeme.startswith("`"):
        return lexeme[1:-1]
    try:
        return str(ast.literal_eval(lexeme))  # Go's escapes, or very nearly.
    except (SyntaxError, ValueError):
        return lexeme
