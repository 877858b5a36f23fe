"""Production rules shrunk to a drill: every duration divided by one factor, so that a drill's minute stands for twelve of production.

Only duration tokens are rewritten, never a printed syntax tree (printers lose comments, escapes and sub-second steps). Latencies,
ratios and thresholds stay; counts keep their production meaning, since `increase()` over a shrunk window is multiplied back.
Not scaled, because no token tells them from other numbers: seconds written as numbers (`predict_linear`, arithmetic with `time()`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from firedrill.alerts.rules import durations, rule_file, yaml_document
from firedrill.alerts.scaling.intervals import SCRAPE_MS, SHORTEST_WINDOW_MS
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


@dataclass(frozen=True, slots=True)
class ScaledRules:
    """A rule file after scaling, and a sentence for each duration that could not become as short as asked."""

    text: str
    clamped: tuple[str, ...]


@dataclass(slots=True)
class Scaler:
    """Divides durations by `factor` and remembers which ones it had to keep longer."""

    factor: float
    clamped: list[str] = field(default_factory=list)

    def shrink(self, duration: str, place: str, shortest_ms: int = 0) -> str:
        """`duration` divided, but no shorter than `shortest_ms` (or than it was, if that is less)."""
        length_ms = durations.milliseconds(duration)
        wanted_ms = round(length_ms / self.factor)
        given_ms = max(wanted_ms, min(length_ms, shortest_ms))
        if given_ms > wanted_ms:
            self.clamped.append(
                f"{place}: {duration} is {durations.spelled(given_ms)} here, not {durations.spelled(wanted_ms)}"
            )
        return durations.spelled(given_ms)

    def expression(self, text: str, place: str) -> str:
        """`text` with every window, subquery step and offset shrunk, and every `increase()` multiplied by what its window lost."""
        return rewritten(
            text,
            # Prometheus refuses a duration of nothing there.
            lambda duration, shortest_ms: self.shrink(duration, place, max(1, shortest_ms)),
            lambda before, after: (
                f"{durations.milliseconds(before) / durations.milliseconds(after):.12g}"
            ),
        )


@lru_cache(maxsize=16)  # A watcher writes what it gives, and says what it kept longer.
def scale_rules(text: str, factor: float) -> ScaledRules:
    """The rule file `text` with its durations divided by `factor` (1 or more). Factor 1 returns the text as it is.

    Raises BadInput for text that is no rule file, naming the line where YAML itself is broken. Whether its rules are valid is for
    `promtool check rules` to say.
    """
    if not factor >= 1:
        raise BadInput(f"the time scale is {factor:g}; expected 1 or more")
    if factor == 1:
        return ScaledRules(text, ())
    rules = _parse(text)
    if not rules:
        return ScaledRules(text, ())
    scaler = Scaler(factor)
    # All values are computed before the first is written: YAML aliases may make two rules share one mapping.
    for mapping, key, value in list(_edits(rules, scaler)):
        mapping[key] = value
    return ScaledRules(yaml_document.printed(rules), tuple(dict.fromkeys(scaler.clamped)))


def rewritten(text: str, length: Callable[[str, int], str], lost: Callable[[str, str], str]) -> str:
    """An expression with other durations.

    Args:
        text: The expression.
        length: What to write for a duration, and the shortest that it may become (milliseconds).
        lost: By what to multiply an `increase()` whose window was the first and is now the second.
    """
    tokens = [match.group() for match in _TOKEN.finditer(text)]
    scaled = list(tokens)
    for index, shortest_ms in _durations(text):
        scaled[index] = length(tokens[index], shortest_ms)
    for start, window, end in _increases(text):
        scaled[start] = f"({lost(tokens[window], scaled[window])} * {scaled[start]}"
        scaled[end] += ")"
    return "".join(scaled)


def _parse(text: str) -> dict[str, Any]:
    rules = yaml_document.parse(text, "a Prometheus rule file")
    rule_file.need_sound(rules)
    return rules


def _edits(rules: Any, scaler: Scaler) -> Iterator[tuple[Any, str, str]]:
    for group in rules.get("groups") or ():
        if "interval" in group:
            yield (
                group,
                "interval",
                scaler.shrink(str(group["interval"]), f"group {group.get('name')}", SCRAPE_MS),
            )
        for rule in group.get("rules") or ():
            place = str(rule.get("alert") or rule.get("record"))
            if isinstance(expression := rule.get("expr"), str):
                yield rule, "expr", type(expression)(scaler.expression(expression, place))
            for key in ("for", "keep_firing_for"):
                if key in rule:
                    yield rule, key, scaler.shrink(str(rule[key]), place)


def significant(text: str) -> Iterator[tuple[int, str, str]]:
    """Index, kind and text of each lexeme but blanks and comments."""
    for index, match in enumerate(_TOKEN.finditer(text)):
        if match.lastgroup != "blank":
            yield index, str(match.lastgroup), match.group()


def _durations(text: str) -> Iterator[tuple[int, int]]:
    """Index of every duration that means time (a window, a step, an offset), with the shortest it may become."""
    before = ["", ""]
    in_brackets = False
    for index, kind, lexeme in significant(text):
        if lexeme in "[]":
            in_brackets = lexeme == "["
        if kind == "duration":
            if in_brackets:
                yield index, SHORTEST_WINDOW_MS if before[-1] == "[" else SCRAPE_MS
            elif "offset" in (before[-1].lower(), before[-2].lower() if before[-1] == "-" else ""):
                yield index, 0
        before = [before[-1], lexeme]


def lexemes(text: str) -> list[str]:
    """Everything the text is made of, comments left out, any blank as one."""
    return [
        " " if match.lastgroup == "blank" else match.group()
        for match in _TOKEN.finditer(text)
        if not match.group().startswith("#")
    ]


def _increases(text: str) -> Iterator[tuple[int, int, int]]:
    """Indices of each `increase`, of the window it looks at (the last in its parentheses) and of its closing parenthesis."""
    open_calls: list[list[int]] = []
    before = (0, "")
    for index, kind, lexeme in significant(text):
        if lexeme == "(":
            open_calls.append([before[0]] if before[1] == "increase" else [])
        elif kind == "duration" and before[1] == "[":
            for call in open_calls:
                call[1:] = [index] if call else []
        elif lexeme == ")" and open_calls:
            match open_calls.pop():
                case [start, window]:
                    yield start, window, index
        before = (index, lexeme)
