"""What an expression in PromQL reads: its selectors, the longest time it looks back, its threshold. Pure.

promql-parser speaks Prometheus 3; what only 2.42 knows is declared to be read all the same. Its tree is only looked at, never printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import promql_parser as promql

from firedrill.alerts import scale

if TYPE_CHECKING:
    from collections.abc import Iterator

RENAMED = {"holt_winters": "double_exponential_smoothing"}
"""Functions of 2.42 that 3.x calls otherwise."""

COMPARISONS = {">", "<", ">=", "<=", "==", "!="}
_SET_OPERATORS = {"and", "or", "unless"}


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


def parse(text: str) -> Any:
    """The tree of an expression; None for one that the parser does not know (Prometheus has the last word)."""
    for old, new in RENAMED.items():
        text = text.replace(f"{old}(", f"{new}(")
    try:
        return promql.parse(text)
    except (ValueError, TypeError):
        return None


def selectors(text: str) -> tuple[Selector, ...]:
    """Everything an expression reads; nothing where it cannot be parsed."""
    return tuple(_selectors(parse(text), 0))


def _selectors(node: Any, around_ms: int) -> Iterator[Selector]:
    if isinstance(node, promql.MatrixSelector):
        yield _selector(node.vector_selector, milliseconds(node.range), around_ms)
    elif isinstance(node, promql.VectorSelector):
        yield _selector(node, None, around_ms)
    elif isinstance(node, promql.SubqueryExpr):
        yield from _selectors(node.expr, around_ms + milliseconds(node.range) + milliseconds(node.offset))
    else:
        for child in children(node):
            yield from _selectors(child, around_ms)


def children(node: Any) -> list[Any]:
    """The nodes right below a node of the tree."""
    if isinstance(node, promql.Call):
        return list(node.args)
    found = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "param")]
    return [child for child in found if isinstance(child, promql.Expr)]


def _selector(node: Any, range_ms: int | None, around_ms: int) -> Selector:
    matchers = tuple((one.name, _operator(one.op), one.value) for one in node.matchers.matchers)
    inside = ", ".join(f"{name}{operator}{_quoted(value)}" for name, operator, value in matchers)
    named = next((value for label, operator, value in matchers if (label, operator) == ("__name__", "=")), "")
    name = node.name or named
    return Selector(name, f"{node.name or ''}{{{inside}}}", matchers, range_ms, around_ms + (range_ms or 0) + milliseconds(node.offset))


def is_equal(matcher: Any) -> bool:
    """Whether a matcher of the tree asks for one value."""
    return _operator(matcher.op) == "="


def _operator(operator: Any) -> str:
    return {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}[str(operator).rpartition(".")[2]]


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def milliseconds(length: Any) -> int:
    """Milliseconds of a timedelta; 0 for none."""
    return round(length.total_seconds() * 1000) if length else 0


def threshold(text: str) -> Threshold | None:
    """The number that an expression compares with, if that is the last thing it does and the number stands at its end."""
    depth, at, previous = 0, None, ""
    lexemes = list(scale.significant(text))
    for place, (_, _, lexeme) in enumerate(lexemes):
        depth += (lexeme in "([{") - (lexeme in ")]}")
        if depth == 0 and lexeme.lower() in _SET_OPERATORS:
            return None
        at = place if depth == 0 and lexeme in "><=!" and previous not in set("><=!") else at
        previous = lexeme
    return _split(text, lexemes, at) if at else None


def _split(text: str, lexemes: list[tuple[int, str, str]], at: int) -> Threshold | None:
    operator = lexemes[at][2] + (lexemes[at + 1][2] if lexemes[at + 1 : at + 2] and lexemes[at + 1][2] == "=" else "")
    rest = "".join(lexeme for _, _, lexeme in lexemes[at + len(operator) :])
    measured = scale.text_before(text, lexemes[at][0])
    try:
        return Threshold(measured, operator, float(rest)) if operator in COMPARISONS else None
    except ValueError:
        return None
