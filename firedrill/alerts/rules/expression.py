"""What an expression in PromQL reads: its selectors, the longest time it looks back, its threshold. Pure.

promql-parser speaks Prometheus 3; what only 2.42 knows is declared to be read all the same. Its tree is only looked at, never printed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar

import promql_parser as promql

from firedrill.alerts.scaling import shrink

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_Key = TypeVar("_Key")

RENAMED = {"holt_winters": "double_exponential_smoothing"}
"""Functions of 2.42 that 3.x calls otherwise."""

COMPARISONS = {">", "<", ">=", "<=", "==", "!="}
FLIPPED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}
"""A comparison as it reads from its other side; `==` and `!=` read alike."""
_SET_OPERATORS = {"and", "or", "unless"}
OPENING, CLOSING = {*"([{"}, {*")]}"}


@dataclass(frozen=True, slots=True)
class Selector:
    """One set of series that an expression reads."""

    name: str
    """Empty where only labels select."""
    text: str
    """As an instant selector, without range and offset."""
    matchers: tuple[tuple[str, str, str], ...]
    """(label, operator, value), the operator as `=`, `!=`, `=~` or `!~`."""
    range_ms: int | None
    """None for an instant selector."""
    reach_ms: int
    """How far back it looks: its range, its offset, and the subqueries around it."""

    @property
    def all_matchers(self) -> tuple[tuple[str, str, str], ...]:
        """The matchers, the name's among them."""
        name = ("__name__", "=", self.name)
        return self.matchers if not self.name or name in self.matchers else (name, *self.matchers)


@dataclass(frozen=True, slots=True)
class Threshold:
    """An expression that compares something with a number."""

    measured: str
    """What is compared."""
    operator: str
    value: float

    def met_by(self, measured: float) -> bool:
        """Whether the alert's condition holds."""
        return {
            ">": measured > self.value,
            "<": measured < self.value,
            ">=": measured >= self.value,
            "<=": measured <= self.value,
            "==": measured == self.value,
            "!=": measured != self.value,
        }[self.operator]

    def kept(self, vector: Mapping[_Key, float] | None) -> dict[_Key, float] | None:
        """Those elements of what is compared that meet the condition; None of an evaluation that failed."""
        return (
            None
            if vector is None
            else {labels: value for labels, value in vector.items() if self.met_by(value)}
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """One of the comparisons that an expression joins by `and`, `or` and `unless`."""

    measured: str
    operator: str
    limit: str
    """An expression too, often a number."""


def parse(text: str) -> Any:
    """The tree of an expression; None for one that the parser does not know (Prometheus has the last word)."""
    try:
        return promql.parse("".join(map(_respelled, shrink.lexemes(text))))
    except (ValueError, TypeError):
        return None


def _respelled(lexeme: str) -> str:
    """As the parser knows it: it takes a backslash between backquotes for an escape (and, left out already, no comment in brackets)."""
    return quoted(lexeme[1:-1]) if lexeme[0] == "`" else RENAMED.get(lexeme, lexeme)


def selectors(text: str) -> tuple[Selector, ...]:
    """Everything an expression reads; nothing where it cannot be parsed."""
    return tuple(selectors_in(parse(text)))


def selectors_in(node: Any, around_ms: int = 0) -> Iterator[Selector]:
    """Those of a part of the tree, which subqueries around it make look back further."""
    if isinstance(node, promql.MatrixSelector):
        yield _selector(node.vector_selector, milliseconds(node.range), around_ms)
    elif isinstance(node, promql.VectorSelector):
        yield _selector(node, None, around_ms)
    elif isinstance(node, promql.SubqueryExpr):
        yield from selectors_in(
            node.expr, around_ms + milliseconds(node.range) + milliseconds(node.offset)
        )
    else:
        for child in children(node):
            yield from selectors_in(child, around_ms)


def subqueries(text: str) -> tuple[tuple[int, int], ...]:
    """(range, step) of every subquery in milliseconds; the step is 0 where none is given."""
    return tuple(
        (milliseconds(one.range), milliseconds(one.step))
        for one in _nodes(parse(text))
        if isinstance(one, promql.SubqueryExpr)
    )


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for child in children(node):
        yield from _nodes(child)


def called(text: str) -> tuple[str, ...]:
    """Words before a parenthesis (functions, and keywords such as `by`), `@ start()` left out; also where it cannot be parsed."""
    found = [lexeme for _, _, lexeme in shrink.significant(text)]
    threes = zip(["", *found], found, found[1:], strict=False)
    return tuple(
        dict.fromkeys(
            word
            for before, word, after in threes
            if after == "(" and before != "@" and word[0].isalpha()
        )
    )


def wrong_result(text: str) -> str | None:
    """What an expression gives that no rule can take, article included; None for what one can, and where it cannot be parsed."""
    node = parse(text)
    while isinstance(node, promql.ParenExpr):
        node = node.expr
    if isinstance(node, promql.MatrixSelector | promql.SubqueryExpr):
        return "a range of samples"
    return "a string" if isinstance(node, promql.StringLiteral) else None


def children(node: Any) -> list[Any]:
    """The nodes right below a node of the tree."""
    if isinstance(node, promql.Call):
        return list(node.args)
    found = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "param")]
    return [child for child in found if isinstance(child, promql.Expr)]


def _selector(node: Any, range_ms: int | None, around_ms: int) -> Selector:
    matchers = tuple((one.name, _operator(one.op), one.value) for one in node.matchers.matchers)
    inside = ", ".join(f"{name}{operator}{quoted(value)}" for name, operator, value in matchers)
    named = next(
        (value for label, operator, value in matchers if (label, operator) == ("__name__", "=")), ""
    )
    name = node.name or named
    return Selector(
        name,
        f"{node.name or ''}{{{inside}}}",
        matchers,
        range_ms,
        around_ms + (range_ms or 0) + milliseconds(node.offset),
    )


def is_equal(matcher: Any) -> bool:
    """Whether a matcher of the tree asks for one value."""
    return _operator(matcher.op) == "="


def _operator(operator: Any) -> str:
    return {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}[
        str(operator).rpartition(".")[2]
    ]


def is_bool(node: Any) -> bool:
    """Whether a node compares and gives 0 or 1, instead of leaving out what does not meet it."""
    is_comparison = isinstance(node, promql.BinaryExpr) and str(node.op) in COMPARISONS
    return is_comparison and node.modifier is not None and node.modifier.return_bool


def quoted(value: str) -> str:
    """A label's value, or a pattern of such, as PromQL spells it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def milliseconds(length: Any) -> int:
    """Milliseconds of a timedelta; 0 for none."""
    return round(length.total_seconds() * 1000) if length else 0


def comparisons(text: str) -> tuple[Comparison, ...]:
    """What an expression compares with what, in order; a comparison that matches labels (`on`, `ignoring`) has no limit of its own."""
    found = (_comparison(part) for part in _joined(shrink.lexemes(text)))
    return tuple(dict.fromkeys(one for one in found if one))


def _joined(lexemes: list[str]) -> Iterator[list[str]]:
    """The parts that set operators join."""
    depth, part = 0, list[str]()
    for lexeme in lexemes:
        depth += (lexeme in OPENING) - (lexeme in CLOSING)
        if depth == 0 and lexeme.lower() in _SET_OPERATORS:
            yield part
            part = []
        else:
            part.append(lexeme)
    yield part


def _comparison(part: list[str]) -> Comparison | None:
    depths = list(accumulate((lexeme in OPENING) - (lexeme in CLOSING) for lexeme in part))
    at = next(
        (at for at, lexeme in enumerate(part) if not depths[at] and lexeme in {*"><=!"}), None
    )
    if at is None:
        return None
    operator = part[at] + (part[at + 1] if part[at + 1 : at + 2] == ["="] else "")
    measured, limit = (
        "".join(lexemes).strip() for lexemes in (part[:at], part[at + len(operator) :])
    )
    is_plain = (
        operator in COMPARISONS
        and not re.match(r"(?:on|ignoring|bool)\b", limit)
        and not re.match(r"(?:on|ignoring)\b", measured)
    )
    return Comparison(measured, operator, limit) if is_plain else None


def is_scalar(text: str) -> bool:
    """Whether an expression gives a number, and no series."""
    return _is_scalar(parse(text))


def _is_scalar(node: Any) -> bool:
    if isinstance(node, promql.Call):
        return node.func.name in {"scalar", "time", "pi"}
    if isinstance(node, (promql.BinaryExpr, promql.ParenExpr, promql.UnaryExpr)):
        return all(map(_is_scalar, children(node)))
    return isinstance(node, promql.NumberLiteral)
