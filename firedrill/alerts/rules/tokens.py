"""PromQL text split into tokens, so that parts of it can be replaced and the rest stays as written.

A printed syntax tree would lose comments, escapes and sub-second steps.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from firedrill.alerts.rules import durations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WINDOW, STEP, OFFSET = "window", "step", "offset"
"""Roles of a duration: a range of samples, the resolution of a subquery, an offset."""

OPENING, CLOSING = {*"([{"}, {*")]}"}

_TOKEN = re.compile(
    rf"""
      (?P<blank>   \s+ | \#[^\n]* )
    | (?P<string>  "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | `[^`]*` )
    | (?P<duration>{durations.PATTERN}(?!\w) )
    | (?P<word>    [A-Za-z_][\w:]* )
    | (?P<number>  0[xX][0-9a-fA-F]+ | (?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)? )
    | (?P<sign>    . )
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)


def lexemes(text: str) -> list[str]:
    """Return the text of all tokens, without comments, and with each blank as one space."""
    return [
        " " if match.lastgroup == "blank" else match.group()
        for match in _TOKEN.finditer(text)
        if not match.group().startswith("#")
    ]


def significant(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield index, kind and text of each token except blanks and comments."""
    for index, match in enumerate(_TOKEN.finditer(text)):
        if match.lastgroup != "blank":
            yield index, str(match.lastgroup), match.group()


def pieces(text: str) -> list[tuple[str, str]]:
    """Return kind and text of all tokens, blanks and comments included: together the text."""
    return [(str(match.lastgroup), match.group()) for match in _TOKEN.finditer(text)]


def is_logql(text: str) -> bool:
    """Return whether an expression is LogQL: it has a pipe, or a line filter after a selector."""
    found = [(kind, lexeme) for _, kind, lexeme in significant(text)]
    signs = [lexeme for _, lexeme in found]
    if "{" not in signs:
        return False
    line_filters = (
        signs[index : index + 3] in (["}", "!", "="], ["}", "!", "~"])
        and found[index + 3 : index + 4]
        and found[index + 3][0] == "string"
        for index in range(len(signs))
    )
    return "|" in signs or any(line_filters)


def replace_durations(
    text: str, shorten: Callable[[str, str], str], factor: Callable[[str, str], str]
) -> str:
    """Return an expression with other durations.

    Args:
        text: The expression.
        shorten: The new text of a duration; called with the duration and its role.
        factor: The factor that an `increase()` gets; called with its old and its new window.
    """
    tokens = [match.group() for match in _TOKEN.finditer(text)]
    replaced = list(tokens)
    for index, role in _durations(text):
        replaced[index] = shorten(tokens[index], role)
    for start, window, end in _increases(text):
        replaced[start] = f"({factor(tokens[window], replaced[window])} * {replaced[start]}"
        replaced[end] += ")"
    return "".join(replaced)


def _durations(text: str) -> Iterator[tuple[int, str]]:
    """Yield index and role of every duration that is a time, and not a part of a name."""
    previous = ["", ""]
    in_brackets = False
    for index, kind, lexeme in significant(text):
        if lexeme in "[]":
            in_brackets = lexeme == "["
        if kind == "duration":
            keyword = previous[0] if previous[1] == "-" else previous[1]
            if in_brackets:
                yield index, WINDOW if previous[1] == "[" else STEP
            elif keyword.lower() == "offset":
                yield index, OFFSET
        previous = [previous[1], lexeme]


def _increases(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield the indices of each `increase`, its (last) window and its closing bracket."""
    open_calls: list[list[int]] = []
    previous = (0, "")
    for index, kind, lexeme in significant(text):
        if lexeme == "(":
            open_calls.append([previous[0]] if previous[1] == "increase" else [])
        elif kind == "duration" and previous[1] == "[":
            for call in open_calls:
                call[1:] = [index] if call else []
        elif lexeme == ")" and open_calls:
            match open_calls.pop():
                case [start, window]:
                    yield start, window, index
        previous = (index, lexeme)
