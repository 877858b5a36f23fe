"""Numbers in an expression that are seconds by their place, divided as durations are.

They are the second argument of `predict_linear()`, what elapsed time is compared with
(`time() - x < 300`), what is added to a time (`x < time() - 300`), and what a difference over an
offset is divided by (`(x - x offset 5m) / 300`). Where such a place holds no constant, and for
smoothing factors, a sentence says what to do by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import promql_parser as promql

from firedrill.alerts.rules import durations, expression, tokens
from firedrill.alerts.scaling.stretch import TIMESTAMP_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator

    Span = tuple[int, int]
    """Indices of the first token, and of the one after the last."""

_SMOOTHING = frozenset({"holt_winters", "double_exponential_smoothing"})
_SET_OPERATORS = frozenset({"and", "or", "unless"})
_KEEPS_SECONDS = frozenset({
    "abs", "avg", "avg_over_time", "bottomk", "ceil", "clamp", "clamp_max", "clamp_min", "floor",
    "label_join", "label_replace", "last_over_time", "max", "max_over_time", "min",
    "min_over_time", "quantile", "quantile_over_time", "round", "scalar", "sort", "sort_desc",
    "stddev", "sum", "topk", "vector",
})  # fmt: skip
"""Functions and aggregations of seconds that give seconds."""
_MATCHING = frozenset({"on", "ignoring", "group_left", "group_right"})
_ARITHMETIC = {*"+-*/%^"}


@dataclass(frozen=True, slots=True)
class Divided:
    """An expression after the division, and a sentence for each place."""

    text: str
    sentences: tuple[str, ...]


def divide(text: str, factor: float) -> Divided:
    """Return an expression with its numbers of seconds divided by `factor`."""
    return _Divider(text, factor).divided()


class _Divider:
    def __init__(self, text: str, factor: float) -> None:
        self._text, self._factor = text, factor
        self._pieces = tokens.pieces(text)
        """Kind and text of each token, blanks included."""
        self._replaced: dict[Span, str] = {}
        self._sentences: list[str] = []

    def divided(self) -> Divided:
        """Return the result."""
        self._visit((0, len(self._pieces)))
        pieces = [piece for _, piece in self._pieces]
        for (start, end), new in sorted(self._replaced.items(), reverse=True):
            pieces[start:end] = [new]
        return Divided("".join(pieces), tuple(dict.fromkeys(self._sentences)))

    def _visit(self, span: Span) -> None:
        """Look into a span, the contents of its parentheses included."""
        for part in self._split(span, {","}):
            for joined in self._split(part, _SET_OPERATORS):
                self._compared(joined)
                self._difference_over_offset(joined)
        for name, inner in self._parentheses(span):
            if name == "predict_linear":
                self._horizon(inner)
            elif name in _SMOOTHING:
                self._sentences.append(
                    f"{name}() weighs samples by their number, and the shrunk window has fewer;"
                    " choose its smoothing factors anew"
                )
            self._visit(inner)

    # -- places

    def _horizon(self, arguments: Span) -> None:
        """Divide how far predict_linear() looks ahead."""
        parts = list(self._split(arguments, {","}))
        if len(parts) == 2:
            self._divide(parts[1], "predict_linear() looks ahead")

    def _compared(self, part: Span) -> None:
        """Divide what elapsed time is compared with, and what is added to a compared time."""
        sides = [self._without_matching(side) for side in self._comparison_sides(part)]
        if not sides[1:]:
            return
        terms = [term for side in sides for term in self._terms(side)]
        if any(_calls_time(self._tree(term)) for term in terms):
            for term in terms:
                if self._constant(term):
                    self._divide(term, "a time is compared with")
        for index, side in enumerate(sides):
            if is_elapsed(self._tree(side)):
                for other in (*sides[:index][-1:], *sides[index + 1 :]):
                    if not is_elapsed(self._tree(other)):
                        self._divide(other, "elapsed time is compared with")

    def _terms(self, side: Span) -> Iterator[Span]:
        """Yield what a side adds and subtracts, without parentheses around all of it."""
        yield from (term for term in self._split(side, {"+", "-"}) if self._string(term))

    def _tree(self, span: Span) -> Any:
        return expression.parse(self._string(span))

    def _difference_over_offset(self, part: Span) -> None:
        """Divide the seconds of an offset by which a difference over it is divided."""
        for side in self._comparison_sides(part):
            factors = list(self._split(side, {"/"}))
            for left, right in pairwise(factors):
                seconds = self._constant(self._first_factor(right))
                if seconds and seconds * 1000 in self._offsets_of_differences(left):
                    self._divide(
                        self._first_factor(right), "a difference over an offset is divided by"
                    )

    def _offsets_of_differences(self, span: Span) -> set[float]:
        """Return the offsets, in milliseconds, in a difference such as `x - x offset 5m`."""
        found = [(kind, piece) for kind, piece in self._pieces[slice(*span)] if kind != "blank"]
        words = [piece for _, piece in found]
        if "-" not in words:
            return set()
        return {
            float(durations.parse_ms(second[1]))
            for first, second in pairwise(found)
            if first[1].lower() == "offset" and second[0] == "duration"
        }

    def _divide(self, span: Span, what: str) -> None:
        span = self._stripped(span)
        if any(start <= span[0] and span[1] <= end for start, end in self._replaced):
            return
        seconds = self._constant(span)
        written = self._string(span)
        if seconds is None:
            self._sentences.append(
                f"{what} {written}, which is no constant and stays; divide it by {self._factor:g}"
            )
        elif seconds:
            new = f"{seconds / self._factor:.12g}"
            self._replaced[span] = new
            self._sentences.append(f"{what} {written}, which is {new} here")

    # -- spans

    def _string(self, span: Span) -> str:
        return "".join(piece for _, piece in self._pieces[slice(*span)]).strip()

    def _constant(self, span: Span) -> float | None:
        """Return the number that a span always is, durations as seconds; None for another."""
        pieces = self._pieces[slice(*self._stripped(span))]
        is_constant = pieces and all(
            kind in {"number", "blank", "duration"} or piece in _ARITHMETIC | {"(", ")"}
            for kind, piece in pieces
        )
        if not is_constant:
            return None
        written = "".join(
            f"{durations.parse_ms(piece) / 1000:.12g}" if kind == "duration" else piece
            for kind, piece in pieces
        )
        return expression.constant(expression.parse(written))

    def _stripped(self, span: Span) -> Span:
        filled = [index for index in range(*span) if self._pieces[index][0] != "blank"]
        return (filled[0], filled[-1] + 1) if filled else (span[0], span[0])

    def _at_top(self, span: Span) -> Iterator[tuple[int, str]]:
        """Yield index and text of the tokens outside all parentheses, in lower case."""
        depth = 0
        for index in range(*span):
            kind, piece = self._pieces[index]
            depth -= kind == "sign" and piece in tokens.CLOSING
            if not depth and kind != "blank":
                yield index, piece.lower() if kind != "string" else ""
            depth += kind == "sign" and piece in tokens.OPENING

    def _split(self, span: Span, words: frozenset[str] | set[str]) -> Iterator[Span]:
        start = span[0]
        for index, word in self._at_top(span):
            if word in words:
                yield start, index
                start = index + 1
        yield start, span[1]

    def _comparison_sides(self, span: Span) -> Iterator[Span]:
        """Yield the sides of each comparison in `a > b < c`."""
        yield from (part for part in self._split(span, {*"><=!"}) if self._string(part))

    def _first_factor(self, span: Span) -> Span:
        for index, word in self._at_top(span):
            if word in {*"*+-%"}:
                return span[0], index
        return span

    def _without_matching(self, span: Span) -> Span:
        """Return a span without `bool` and without how two sides match (`on (a)`)."""
        start, end = self._stripped(span)
        words = list(self._at_top((start, end)))
        first = words[0][1] if words else ""
        if first == "bool":
            return self._without_matching((words[0][0] + 1, end))
        if first in _MATCHING and words[1:] and words[1][1] == "(":
            return self._without_matching((words[2][0] + 1 if words[2:] else end, end))
        return start, end

    def _parentheses(self, span: Span) -> Iterator[tuple[str, Span]]:
        """Yield the word before each outermost parenthesis, and what is within."""
        depth, opened, name, previous = 0, 0, "", ""
        for index in range(*span):
            kind, piece = self._pieces[index]
            if kind == "sign" and piece == "(":
                if not depth:
                    opened, name = index, previous
                depth += 1
            elif kind == "sign" and piece == ")" and depth:
                depth -= 1
                if not depth:
                    yield name, (opened + 1, index)
            if kind != "blank":
                previous = piece.lower()


def is_elapsed(node: Any) -> bool:
    """Return whether a part of the tree gives the seconds between two times."""
    if isinstance(node, promql.ParenExpr | promql.UnaryExpr | promql.SubqueryExpr):
        return is_elapsed(node.expr)
    if isinstance(node, promql.AggregateExpr):
        return str(node.op) in _KEEPS_SECONDS and is_elapsed(node.expr)
    if isinstance(node, promql.Call):
        return node.func.name in _KEEPS_SECONDS and any(map(is_elapsed, node.args))
    return isinstance(node, promql.BinaryExpr) and _is_elapsed_operation(node)


def _is_elapsed_operation(node: Any) -> bool:
    operator, sides = str(node.op), (node.lhs, node.rhs)
    if operator == "-" and all(map(_is_time, sides)):
        return True
    if operator == "-" and any(_calls_time(side) for side in sides):
        # A number is a part of a time: `time() - 300 > x` compares times.
        return all(expression.constant(side) is None for side in sides)
    if operator == "/":
        return is_elapsed(node.lhs) and not is_elapsed(node.rhs)
    if operator in {"*", "+", "-", "or"}:
        return any(map(is_elapsed, sides))
    is_filter = operator in expression.COMPARISONS and not expression.is_bool(node)
    return (is_filter or operator in {"and", "unless"}) and is_elapsed(node.lhs)


def _calls_time(node: Any) -> bool:
    """Return whether a part gives a time by `time()` or `timestamp()`."""
    if isinstance(node, promql.ParenExpr | promql.SubqueryExpr):
        return _calls_time(node.expr)
    if isinstance(node, promql.AggregateExpr):
        return str(node.op) in _KEEPS_SECONDS and _calls_time(node.expr)
    if isinstance(node, promql.Call):
        is_time = node.func.name in {"time", "timestamp"}
        return is_time or (node.func.name in _KEEPS_SECONDS and any(map(_calls_time, node.args)))
    return False


def _is_time(node: Any) -> bool:
    """Return whether a part gives a time: by a call, or by the name of its series."""
    if isinstance(node, promql.VectorSelector):
        return (node.name or "").endswith(TIMESTAMP_SUFFIXES)
    if isinstance(node, promql.MatrixSelector):
        return _is_time(node.vector_selector)
    if isinstance(node, promql.ParenExpr):
        return _is_time(node.expr)
    if isinstance(node, promql.AggregateExpr):
        return str(node.op) in _KEEPS_SECONDS and _is_time(node.expr)
    is_kept = isinstance(node, promql.Call) and node.func.name in _KEEPS_SECONDS
    return _calls_time(node) or (is_kept and any(map(_is_time, node.args)))
