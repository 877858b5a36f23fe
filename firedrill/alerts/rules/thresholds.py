"""Thresholds in an alert's expression: find them, and replace them for a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from firedrill.alerts.rules import equivalence, expression, tokens
from firedrill.alerts.rules.expression import Threshold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Vector = Mapping[tuple[tuple[str, str], ...], float] | None
    Span = tuple[int, int]
    """Indices of the first lexeme, and of the one after the last."""

_SET_OPERATORS = {"and", "or", "unless"}
_MATCHING = {"on", "ignoring", "group_left", "group_right"}
_NO_FACTOR = {*"+-%^", "atan2"}
"""Operators beside which a number is no factor of the whole side."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A number in an expression, or what stands for one, that can be replaced by other numbers."""

    operator: str
    """As read from the measured side."""
    text: str
    """The comparison as written, for messages."""
    measured: str | None
    """The measured side, if the expression is this one comparison; else None."""
    lexemes: Sequence[str]
    spans: Sequence[Span]
    """Where it stands; an alert that compares with it twice (over two windows) has one limit."""

    def with_value(self, value: float) -> str:
        """Return the expression with another number."""
        lexemes = list(self.lexemes)
        for start, end in reversed(self.spans):
            lexemes[start:end] = [f" {value!r} "]
        return "".join(lexemes)

    def evaluate_values(
        self, values: Sequence[float], evaluate: Callable[[str], list[Vector]]
    ) -> Iterator[tuple[float, list[Vector]]]:
        """Yield each value with what the expression gives for it.

        A single comparison is evaluated once, and filtered for each value.
        """
        if self.measured is None:
            yield from ((value, evaluate(self.with_value(value))) for value in values)
            return
        vectors = evaluate(self.measured)
        for value in values:
            threshold = Threshold(self.measured, self.operator, value)
            yield value, [threshold.filter(vector) for vector in vectors]


def find_limits(text: str) -> tuple[Limit, ...]:
    """Return the limits of an expression in reading order.

    Comparisons count at the top, and where `and`, `or`, `unless` and parentheses join them.
    """
    lexemes = tokens.lexemes(text)
    same: dict[tuple[object, ...], list[_Place]] = {}
    for place in _places(lexemes, (0, len(lexemes))):
        limit = equivalence.normalize(_text(lexemes, place.span))
        same.setdefault((place.operator, place.is_factor, limit), []).append(place)
    return tuple(_limit(lexemes, places) for places in same.values())


def single_comparison(text: str) -> Threshold | None:
    """Return the threshold of an expression that is one comparison with a number; else None."""
    limits = find_limits(text)
    if len(limits) != 1 or limits[0].measured is None:
        return None
    (limit,) = limits
    number = _text(limit.lexemes, limit.spans[0])
    return (
        Threshold(limits[0].measured, limit.operator, float(number)) if _is_number(number) else None
    )


def _limit(lexemes: Sequence[str], places: Sequence[_Place]) -> Limit:
    first = places[0]
    return Limit(
        operator=first.operator,
        text=_text(lexemes, first.comparison),
        measured=first.measured,
        lexemes=lexemes,
        spans=tuple(place.span for place in places),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """The limit of one comparison."""

    span: Span
    operator: str
    is_factor: bool
    comparison: Span
    """The whole comparison."""
    measured: str | None


def _places(lexemes: Sequence[str], span: Span) -> Iterator[_Place]:
    inner = _without_parentheses(lexemes, span)
    parts = list(_split(lexemes, inner, _SET_OPERATORS))
    if not parts[1:]:
        yield from _in_comparisons(lexemes, inner, is_alone=span == (0, len(lexemes)))
        return
    for part in parts:
        yield from _places(lexemes, _without_matching(lexemes, part))


def _in_comparisons(lexemes: Sequence[str], part: Span, *, is_alone: bool) -> Iterator[_Place]:
    """Yield the limits of each comparison of `a > b < c`, which is read from the left."""
    sides = list(_split(lexemes, part, {*"><=!"}))
    if sides[1:] and _without_parentheses(lexemes, sides[0]) != sides[0]:
        yield from _places(lexemes, sides[0])
    for left, right in pairwise(sides):
        operator, is_first = _text(lexemes, (left[1], right[0])), left == sides[0]
        limit = _without_matching(lexemes, right)
        if operator not in expression.COMPARISONS or any(
            _is_bool(lexemes, side) for side in ((part[0], left[1]), right)
        ):
            continue
        is_whole = is_alone and not sides[2:] and limit == _stripped(lexemes, right)
        yield from _in_sides(lexemes, left if is_first else None, operator, limit, is_whole)


def _in_sides(
    lexemes: Sequence[str], left: Span | None, operator: str, right: Span, is_whole: bool
) -> Iterator[_Place]:
    comparison = (left[0] if left else right[0], right[1])
    if _is_limit(_text(lexemes, right)):
        measured = _text(lexemes, left) if left and is_whole else None
        yield _Place(right, operator, False, comparison, measured)
    elif left and _is_limit(_text(lexemes, left)):
        measured = _text(lexemes, right) if is_whole else None
        flipped = expression.FLIPPED.get(operator, operator)
        yield _Place(left, flipped, False, comparison, measured)
    else:
        for side in (right, left):
            for factor in _factors(lexemes, side) if side else ():
                yield _Place(factor, operator, True, comparison, None)


def _is_limit(text: str) -> bool:
    """Return whether a side is a number that does not move with the time."""
    return expression.is_scalar(text) and "time" not in expression.called(text)


def _factors(lexemes: Sequence[str], side: Span) -> Iterator[Span]:
    """Yield the numbers by which the whole side is multiplied."""
    product = _without_parentheses(lexemes, side)
    if list(_at_top(lexemes, product, _NO_FACTOR)):
        return
    for factor in _split(lexemes, product, {"*"}):
        if _is_number(_text(lexemes, factor)):
            yield _stripped(lexemes, factor)


def _is_bool(lexemes: Sequence[str], side: Span) -> bool:
    """Return whether a side is the 0 or 1 of another comparison, which has no size to sweep."""
    return bool(list(_at_top(lexemes, _without_parentheses(lexemes, side), {"bool"})))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# -- spans


def _text(lexemes: Sequence[str], span: Span) -> str:
    return "".join(lexemes[slice(*span)]).strip()


def _depths(lexemes: Sequence[str], span: Span) -> list[int]:
    return list(
        accumulate(
            (lexeme in tokens.OPENING) - (lexeme in tokens.CLOSING)
            for lexeme in lexemes[slice(*span)]
        )
    )


def _at_top(lexemes: Sequence[str], span: Span, words: set[str]) -> Iterator[int]:
    """Yield the indices of these words outside all parentheses."""
    for index, depth in enumerate(_depths(lexemes, span), start=span[0]):
        if not depth and lexemes[index].lower() in words:
            yield index


def _split(lexemes: Sequence[str], span: Span, words: set[str]) -> Iterator[Span]:
    """Yield the parts between these words, several of which may follow each other."""
    start = span[0]
    for index in _at_top(lexemes, span, words):
        if index > start:
            yield start, index
        start = index + 1
    yield start, span[1]


def _stripped(lexemes: Sequence[str], span: Span) -> Span:
    filled = [index for index in range(*span) if lexemes[index] != " "]
    return (filled[0], filled[-1] + 1) if filled else span


def _without_parentheses(lexemes: Sequence[str], span: Span) -> Span:
    """Return a span without the parentheses around all of it."""
    start, end = inner = _stripped(lexemes, span)
    depths = _depths(lexemes, inner)
    is_wrapped = start < end and lexemes[start] == "(" and depths[-1] == 0 and 0 not in depths[:-1]
    return _without_parentheses(lexemes, (start + 1, end - 1)) if is_wrapped else inner


def _without_matching(lexemes: Sequence[str], span: Span) -> Span:
    """Return a span without `bool`, and without how two sides match (`on (a) group_left ()`)."""
    start, end = _stripped(lexemes, span)
    word = lexemes[start].lower() if start < end else ""
    if word == "bool":
        return _without_matching(lexemes, (start + 1, end))
    if word not in _MATCHING:
        return start, end
    labels, _ = _stripped(lexemes, (start + 1, end))
    if lexemes[labels] == "(":
        labels += _depths(lexemes, (labels, end)).index(0) + 1
    return _without_matching(lexemes, (labels, end))
