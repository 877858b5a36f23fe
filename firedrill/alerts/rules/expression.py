"""PromQL expressions, parsed: their selectors, how far they look back, and their comparisons.

promql-parser speaks Prometheus 3, so names that only 2.42 knows are translated before parsing. Its
tree is only read, and never printed, because printing is not lossless.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar

import promql_parser as promql

from firedrill.alerts.rules import tokens
from firedrill.alerts.rules.tokens import CLOSING, OPENING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_Key = TypeVar("_Key")

RENAMED = {"holt_winters": "double_exponential_smoothing"}
"""Functions of 2.42 with another name in 3.x."""

COMPARISONS = {">", "<", ">=", "<=", "==", "!="}
FLIPPED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}
"""A comparison read from its other side; `==` and `!=` read alike."""
_SET_OPERATORS = {"and", "or", "unless"}


@dataclass(frozen=True, slots=True)
class Selector:
    """A set of series that an expression reads."""

    name: str
    """Empty if the selector has labels only."""
    text: str
    """As an instant selector, without range and offset."""
    matchers: tuple[tuple[str, str, str], ...]
    """(label, operator, value), the operator as `=`, `!=`, `=~` or `!~`."""
    range_ms: int | None
    """None for an instant selector."""
    look_back_ms: int
    """Its range, its offset, and the subqueries around it, together."""

    @property
    def all_matchers(self) -> tuple[tuple[str, str, str], ...]:
        """The matchers, including one for the name."""
        by_name = ("__name__", "=", self.name)
        if not self.name or by_name in self.matchers:
            return self.matchers
        return by_name, *self.matchers


@dataclass(frozen=True, slots=True)
class Threshold:
    """An expression that compares something with a number."""

    measured: str
    """The expression on the left of the comparison."""
    operator: str
    value: float

    def met_by(self, measured: float) -> bool:
        """Return whether a value meets the comparison."""
        return {
            ">": measured > self.value,
            "<": measured < self.value,
            ">=": measured >= self.value,
            "<=": measured <= self.value,
            "==": measured == self.value,
            "!=": measured != self.value,
        }[self.operator]

    def filter(self, vector: Mapping[_Key, float] | None) -> dict[_Key, float] | None:
        """Return the elements that meet the comparison; None if the evaluation failed (None)."""
        if vector is None:
            return None
        return {labels: value for labels, value in vector.items() if self.met_by(value)}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison, one of those that an expression joins by `and`, `or` and `unless`."""

    measured: str
    operator: str
    limit: str
    """An expression too, often a number."""


@lru_cache(maxsize=4096)  # Every check asks for the same trees, which are only read.
def parse(text: str) -> Any:
    """Return an expression's tree; None if the parser does not know it (Prometheus may)."""
    try:
        return promql.parse("".join(map(_for_parser, tokens.lexemes(text))))
    except (ValueError, TypeError):
        return None


def _for_parser(lexeme: str) -> str:
    """Translate a token: the parser takes a backslash between backquotes for an escape."""
    return quote(lexeme[1:-1]) if lexeme[0] == "`" else RENAMED.get(lexeme, lexeme)


@lru_cache(maxsize=4096)
def selectors(text: str) -> tuple[Selector, ...]:
    """Return all selectors of an expression; none if it cannot be parsed."""
    return tuple(selectors_in(parse(text)))


def selectors_in(node: Any, outer_ms: int = 0) -> Iterator[Selector]:
    """Yield the selectors of a part of the tree.

    Args:
        node: The part.
        outer_ms: How far the subqueries around it look back.
    """
    if isinstance(node, promql.MatrixSelector):
        yield _selector(node.vector_selector, milliseconds(node.range), outer_ms)
    elif isinstance(node, promql.VectorSelector):
        yield _selector(node, None, outer_ms)
    elif isinstance(node, promql.SubqueryExpr):
        own_ms = milliseconds(node.range) + milliseconds(node.offset)
        yield from selectors_in(node.expr, outer_ms + own_ms)
    else:
        for child in children(node):
            yield from selectors_in(child, outer_ms)


def subqueries(text: str) -> tuple[tuple[int, int], ...]:
    """Return (range, step) of every subquery in milliseconds; the step is 0 if none is given."""
    return tuple(
        (milliseconds(node.range), milliseconds(node.step))
        for node in nodes(parse(text))
        if isinstance(node, promql.SubqueryExpr)
    )


def nodes(node: Any) -> Iterator[Any]:
    """Yield a part of the tree and everything below it; nothing of None."""
    if node is None:
        return
    yield node
    for child in children(node):
        yield from nodes(child)


def called(text: str) -> tuple[str, ...]:
    """Return the words before a parenthesis: functions, and keywords such as `by`.

    `@ start()` and `@ end()` are left out. Works for expressions that cannot be parsed, too.
    """
    lexemes = [lexeme for _, _, lexeme in tokens.significant(text)]
    triples = zip(["", *lexemes], lexemes, lexemes[1:], strict=False)
    return tuple(
        dict.fromkeys(
            word
            for before, word, after in triples
            if after == "(" and before != "@" and word[0].isalpha()
        )
    )


def unusable_result(text: str) -> str | None:
    """Return the kind of an expression's result if no rule can use it, with its article.

    None if a rule can use it, or if the expression cannot be parsed.
    """
    node = parse(text)
    while isinstance(node, promql.ParenExpr):
        node = node.expr
    if isinstance(node, promql.MatrixSelector | promql.SubqueryExpr):
        return "a range of samples"
    return "a string" if isinstance(node, promql.StringLiteral) else None


def children(node: Any) -> list[Any]:
    """Return the nodes right below a node of the tree."""
    if isinstance(node, promql.Call):
        return list(node.args)
    parts = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "param")]
    return [part for part in parts if isinstance(part, promql.Expr)]


def _selector(node: Any, range_ms: int | None, outer_ms: int) -> Selector:
    matchers = tuple(
        (matcher.name, _operator(matcher.op), matcher.value) for matcher in node.matchers.matchers
    )
    inside = ", ".join(f"{label}{operator}{quote(value)}" for label, operator, value in matchers)
    matched_name = next(
        (value for label, operator, value in matchers if (label, operator) == ("__name__", "=")), ""
    )
    return Selector(
        name=node.name or matched_name,
        text=f"{node.name or ''}{{{inside}}}",
        matchers=matchers,
        range_ms=range_ms,
        look_back_ms=outer_ms + (range_ms or 0) + milliseconds(node.offset),
    )


def is_equality(matcher: Any) -> bool:
    """Return whether a matcher of the tree asks for one value."""
    return _operator(matcher.op) == "="


def _operator(operator: Any) -> str:
    name = str(operator).rpartition(".")[2]
    return {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}[name]


def is_bool(node: Any) -> bool:
    """Return whether a node compares with `bool`, and so gives 0 or 1 for every element."""
    is_comparison = isinstance(node, promql.BinaryExpr) and str(node.op) in COMPARISONS
    return is_comparison and node.modifier is not None and node.modifier.return_bool


def constant(node: Any) -> float | None:
    """Return the number that an expression always gives; None if it is no constant."""
    if isinstance(node, promql.NumberLiteral):
        return float(node.val)
    if isinstance(node, promql.ParenExpr):
        return constant(node.expr)
    if isinstance(node, promql.UnaryExpr):
        return None if (inner := constant(node.expr)) is None else -inner
    return _calculated(node) if isinstance(node, promql.BinaryExpr) else None


def _calculated(node: Any) -> float | None:
    left, right, operator = constant(node.lhs), constant(node.rhs), str(node.op)
    if (
        left is None
        or right is None
        or operator not in {"+", "-", "*", "/"}
        or (operator == "/" and not right)
    ):
        return None
    results = {
        "+": left + right,
        "-": left - right,
        "*": left * right,
        "/": left / (right or 1.0),
    }
    return results[operator]


def quote(value: str) -> str:
    """Write a label's value, or a pattern of values, as PromQL does."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def milliseconds(length: Any) -> int:
    """Return the milliseconds of a timedelta; 0 for None."""
    return round(length.total_seconds() * 1000) if length else 0


def comparisons(text: str) -> tuple[Comparison, ...]:
    """Return the comparisons of an expression in order.

    One that matches labels (`on`, `ignoring`) has no limit of its own, and is left out.
    """
    parts = (_comparison(part) for part in _joined_parts(tokens.lexemes(text)))
    return tuple(dict.fromkeys(comparison for comparison in parts if comparison))


def _joined_parts(lexemes: list[str]) -> Iterator[list[str]]:
    """Yield the parts that set operators join."""
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
    depths = accumulate((lexeme in OPENING) - (lexeme in CLOSING) for lexeme in part)
    index = next(
        (
            index
            for index, (lexeme, depth) in enumerate(zip(part, depths, strict=True))
            if not depth and lexeme in {*"><=!"}
        ),
        None,
    )
    if index is None:
        return None
    operator = part[index] + ("=" if part[index + 1 : index + 2] == ["="] else "")
    measured = "".join(part[:index]).strip()
    limit = "".join(part[index + len(operator) :]).strip()
    is_plain = (
        operator in COMPARISONS
        and not re.match(r"(?:on|ignoring|bool)\b", limit)
        and not re.match(r"(?:on|ignoring)\b", measured)
    )
    return Comparison(measured, operator, limit) if is_plain else None


def is_scalar(text: str) -> bool:
    """Return whether an expression gives a number, and no series."""
    return _is_scalar(parse(text))


def _is_scalar(node: Any) -> bool:
    if isinstance(node, promql.Call):
        return node.func.name in {"scalar", "time", "pi"}
    if isinstance(node, (promql.BinaryExpr, promql.ParenExpr, promql.UnaryExpr)):
        return all(map(_is_scalar, children(node)))
    return isinstance(node, promql.NumberLiteral)
