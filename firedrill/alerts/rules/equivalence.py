"""Equivalence of expressions, regardless of whitespace, comments, quotes and spelling of units."""

from __future__ import annotations

import ast

from firedrill.alerts.rules import durations, tokens

NormalizedExpression = tuple[tuple[str, str], ...]
"""Kind and value of each token."""


def normalize(expr: str) -> NormalizedExpression:
    """Return the tokens of an expression with their values.

    Expressions that differ in meaning are never equal. Two with one meaning may still differ:
    `sum by (a) (x)` and `sum(x) by (a)`.
    """
    return tuple((kind, _value(kind, lexeme)) for _, kind, lexeme in tokens.significant(expr))


def _value(kind: str, lexeme: str) -> str:
    if kind == "duration":
        return durations.format_ms(durations.parse_ms(lexeme))
    if kind == "number":
        is_hexadecimal = lexeme[:2].lower() == "0x"
        return repr(float(int(lexeme, 16)) if is_hexadecimal else float(lexeme))
    if kind == "string":
        return _unquote(lexeme)
    return lexeme


def _unquote(lexeme: str) -> str:
    if lexeme.startswith("`"):
        return lexeme[1:-1]
    try:
        return str(ast.literal_eval(lexeme))  # Python's escapes are very nearly Go's.
    except (SyntaxError, ValueError):
        return lexeme
