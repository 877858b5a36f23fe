"""What an alert compares with: the numbers that a sweep can try others instead of. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from firedrill.alerts.rules import equivalence, expression
from firedrill.alerts.rules.expression import Threshold
from firedrill.alerts.scaling import shrink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from firedrill.alerts.replay.ambiguity import Vector

    Span = tuple[int, int]
    """From a lexeme to before another one."""

_JOINING = {"and", "or", "unless"}
_MATCHING = {"on", "ignoring", "group_left", "group_right"}
_NO_FACTOR = {*"+-%^", "atan2"}
"""Beside one of these a number is no factor of the whole."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One number, or what stands for one, that other numbers can be tried instead of."""

    operator: str
    """As it reads from what is compared."""
    text: str
    """As it is spelled, for a person."""
    measured: str | None
    """What is compared, if the expression is this comparison and nothing else."""
    lexemes: Sequence[str]
    spans: Sequence[Span]
    """Where it stands: an alert that compares with the same twice, over two windows say, has one limit."""

    def instead(self, value: float) -> str:
        """The expression with another number."""
        lexemes = list(self.lexemes)
        for start, end in reversed(self.spans):
            lexemes[start:end] = [f" {value!r} "]
        return "".join(lexemes)

    def tried(
        self, values: Sequence[float], evaluated: Callable[[str], list[Vector]]
    ) -> Iterator[tuple[float, list[Vector]]]:
        """What the expression gives with each of the values; where it is but one comparison, that is told from one evaluation."""
        if self.measured is None:
            yield from ((value, evaluated(self.instead(value))) for value in values)
            return
        vectors = evaluated(self.measured)
        for value in values:
            yield (
                value,
                [Threshold(self.measured, self.operator, value).kept(vector) for vector in vectors],
            )


def of(text: str) -> tuple[Limit, ...]:
    """The limits of an expression, as it is read: of comparisons that `and`, `or` and `unless` join, in parentheses or not."""
    lexemes = shrink.lexemes(text)
    found: dict[tuple[object, ...], list[_Place]] = {}
    for place in _places(lexemes, (0, len(lexemes))):
        found.setdefault(
            (place.operator, place.is_factor, equivalence.of(_text(lexemes, place.span))), []
        ).append(place)
    return tuple(_limit(lexemes, places) for places in found.values())


def alone(text: str) -> Threshold | None:
    """The comparison with a plain number that an expression is; None for one that is more than that, or something else."""
    first, *others = of(text) or (None,)
    if (
        first is None
        or others
        or first.measured is None
        or not _is_number(number := _text(first.lexemes, first.spans[0]))
    ):
        return None
    return Threshold(first.measured, first.operator, float(number))


def _limit(lexemes: Sequence[str], places: Sequence[_Place]) -> Limit:
    first, spans = places[0], tuple(place.span for place in places)
    return Limit(first.operator, _text(lexemes, first.shown), first.measured, lexemes, spans)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one comparison has its limit."""

    span: Span
    operator: str
    is_factor: bool
    shown: Span
    """The comparison as a whole."""
    measured: str | None


def _places(lexemes: Sequence[str], span: Span) -> Iterator[_Place]:
    inner = _bare(lexemes, span)
    parts = list(_split(lexemes, inner, _JOINING))
    if not parts[1:]:
        yield from _compared(lexemes, inner, is_alone=span == (0, len(lexemes)))
        return
    for part in parts:
        yield from _places(lexemes, _matched(lexemes, part))


def _compared(lexemes: Sequence[str], part: Span, *, is_alone: bool) -> Iterator[_Place]:
    """Each comparison of `a > b < c`, which is read from the left."""
    sides = list(_split(lexemes, part, {*"><=!"}))
    if sides[1:] and _bare(lexemes, sides[0]) != sides[0]:
        yield from _places(lexemes, sides[0])
    for left, right in pairwise(sides):
        operator, is_first = _text(lexemes, (left[1], right[0])), left == sides[0]
        after = _matched(lexemes, right)
        if operator not in expression.COMPARISONS or any(
            _is_truth(lexemes, side) for side in ((part[0], left[1]), right)
        ):
            continue
        is_whole = is_alone and not sides[2:] and after == _stripped(lexemes, right)
        yield from _limited(lexemes, left if is_first else None, operator, after, is_whole=is_whole)


def _limited(
    lexemes: Sequence[str], left: Span | None, operator: str, right: Span, *, is_whole: bool
) -> Iterator[_Place]:
    shown = (left[0] if left else right[0], right[1])
    if _is_limit(_text(lexemes, right)):
        yield _Place(
            right, operator, False, shown, _text(lexemes, left) if left and is_whole else None
        )
    elif left and _is_limit(_text(lexemes, left)):
        yield _Place(
            left,
            expression.FLIPPED.get(operator, operator),
            False,
            shown,
            _text(lexemes, right) if is_whole else None,
        )
    else:
        factors = [factor for side in (right, left) if side for factor in _factors(lexemes, side)]
        yield from (_Place(factor, operator, True, shown, None) for factor in factors)


def _is_limit(text: str) -> bool:
    """A number instead of one that moves with the time would be another kind of condition."""
    return expression.is_scalar(text) and "time" not in expression.called(text)


def _factors(lexemes: Sequence[str], side: Span) -> Iterator[Span]:
    """Numbers by which all of it is multiplied."""
    product = _bare(lexemes, side)
    if list(_at_top(lexemes, product, _NO_FACTOR)):
        return
    for factor in _split(lexemes, product, {"*"}):
        if _is_number(_text(lexemes, factor)):
            yield _stripped(lexemes, factor)


def _is_truth(lexemes: Sequence[str], side: Span) -> bool:
    """Of a comparison's 0 or 1 nobody asks how much it is."""
    return bool(list(_at_top(lexemes, _bare(lexemes, side), {"bool"})))


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
            (lexeme in expression.OPENING) - (lexeme in expression.CLOSING)
            for lexeme in lexemes[slice(*span)]
        )
    )


def _at_top(lexemes: Sequence[str], span: Span, words: set[str]) -> Iterator[int]:
    """Where one of these stands outside all parentheses."""
    for at, depth in enumerate(_depths(lexemes, span), start=span[0]):
        if not depth and lexemes[at].lower() in words:
            yield at


def _split(lexemes: Sequence[str], span: Span, words: set[str]) -> Iterator[Span]:
    """What stands between these, of which several may follow each other."""
    start = span[0]
    for at in _at_top(lexemes, span, words):
        if at > start:
            yield start, at
        start = at + 1
    yield start, span[1]


def _stripped(lexemes: Sequence[str], span: Span) -> Span:
    filled = [at for at in range(*span) if lexemes[at] != " "]
    return (filled[0], filled[-1] + 1) if filled else span


def _bare(lexemes: Sequence[str], span: Span) -> Span:
    """Without parentheses around all of it."""
    start, end = inner = _stripped(lexemes, span)
    depths = _depths(lexemes, inner)
    is_wrapped = start < end and lexemes[start] == "(" and depths[-1] == 0 and 0 not in depths[:-1]
    return _bare(lexemes, (start + 1, end - 1)) if is_wrapped else inner


def _matched(lexemes: Sequence[str], span: Span) -> Span:
    """Without `bool`, and without how two sides are matched (`on (a) group_left ()`)."""
    start, end = _stripped(lexemes, span)
    word = lexemes[start].lower() if start < end else ""
    if word == "bool":
        return _matched(lexemes, (start + 1, end))
    if word not in _MATCHING:
        return start, end
    opened, _ = _stripped(lexemes, (start + 1, end))
    closed = (
        opened + _depths(lexemes, (opened, end)).index(0) + 1 if lexemes[opened] == "(" else opened
    )
    return _matched(lexemes, (closed, end))
