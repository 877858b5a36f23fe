"""Hypothesis strategies that generate PromQL, rich in durations and in what only looks like one."""

from itertools import pairwise

import promql_parser as promql
from hypothesis import Phase
from hypothesis import strategies as st

from firedrill.alerts.rules import expression

FACTORS = st.one_of(st.sampled_from([2, 12, 36, 1000]), st.floats(1.01, 100))
"""Factors by which times are divided."""
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
"""All phases but `explain`, which takes a minute and adds nothing to a shrunk expression."""
COMMENT = '# "rate(x[5m] offset 1h) > 5m\n'
_BLANKS = [" ", "  ", "\n", f" {COMMENT}"]
_MOST = {"d": 40, "h": 90, "m": 90, "s": 90, "ms": 900}
"""The largest number of each unit: promql-parser takes at most 2³² milliseconds in milliseconds."""
_TEXTS = [
    "a",
    "",
    "[5m]",
    "x[1h] offset 5m",
    "# 5m",
    "'5m'",
    '"[5m]"',
    "\\[1h]\\",
    "increase(x[5m])",
    "1h\n[5m]",
    "{5m}",
]


def quoted(text, quote):
    """Return a string in one of PromQL's three kinds of quotes."""
    if quote == "`":
        return f"`{text}`"
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}"


def one_of(*alternatives):
    """Generate the lexemes of one of the texts."""
    return st.sampled_from(alternatives).map(str.split)


def written(*parts):
    """Generate the lexemes of texts, and of strategies for lexemes, one after the other."""
    lists = (st.just(part.split()) if isinstance(part, str) else part for part in parts)
    return st.tuples(*lists).map(lambda lists: [lexeme for lexemes in lists for lexeme in lexemes])


def maybe(part):
    """Generate the part, or nothing."""
    return st.one_of(st.just([]), part)


NAME = one_of(
    "x", "a_total", "job:errors:rate5m", ":rate1h", "increase5m", "s", "offset5m", "e1h_5m"
)
LABEL = one_of("job", "le", "m", "offset", "by", "increase")
NUMBER = one_of("5", "0.25", "1e5", "0x5d", ".5", "10", "1e-3", "Inf", "NaN", "300", "14.4 * 0.01")
TEXT = st.builds(
    lambda text, quote: [quoted(text, quote)], st.sampled_from(_TEXTS), st.sampled_from("\"'`")
)
DURATION = st.tuples(*(st.integers(0, most) for most in _MOST.values())).map(
    lambda counts: [
        "".join(
            f"{count}{unit}" for count, unit in zip(counts, _MOST, strict=True) if count % 3 == 1
        )
        or "5m"
    ]
)
"""`1h30m`, `90s`, `250ms`: units in Prometheus's order, each at most once."""
MATCHER = written(LABEL, one_of("=", "!="), TEXT)
SELECTOR = written(
    NAME,
    maybe(st.one_of(written("{", MATCHER, "}"), written("{", MATCHER, ",", MATCHER, ",", "}"))),
)
OFFSET = written(one_of("offset", "OFFSET"), one_of("", "-"), DURATION)
LOOKING = st.one_of(
    st.just([]), OFFSET, one_of("@ 1609746000", "@ start ( )"), written("@ 300", OFFSET)
)
LABELS = st.one_of(one_of("( )"), written("(", LABEL, ")"), written("( job ,", LABEL, ")"))
ON = written(one_of("on", "ignoring"), LABELS)
GROUPING = written(one_of("by", "without", "BY"), LABELS)
AGGREGATION = one_of("sum", "max", "count", "SUM", "avg")
OPERATOR = one_of("+", "-", "*", "/", "%", "^", ">", "<=", "==", "!=", "> bool", "atan2")
OF_MATRIX = one_of(
    *(
        f"{name} ("
        for name in (
            "rate",
            "irate",
            "increase",
            "increase",
            "delta",
            "avg_over_time",
            "changes",
            "count_over_time",
            "deriv",
        )
    ),
    "quantile_over_time ( 0.9 ,",
)


def larger(vector):
    """Generate what PromQL makes of a vector."""
    inner = written("(", vector, ")")
    matrix = st.one_of(
        written(SELECTOR, "[", DURATION, "]", LOOKING),
        written(inner, "[", DURATION, ":", maybe(DURATION), "]", LOOKING),
    )
    return st.one_of(
        written(OF_MATRIX, matrix, ")"),
        written("predict_linear (", matrix, ", scalar( up ) )"),
        written(one_of("abs", "timestamp", "absent", "sort"), inner),
        written("histogram_quantile ( 0.95 ,", vector, ")"),
        written("clamp_min (", vector, ",", NUMBER, ")"),
        written("label_replace (", vector, ', "a" , "$1" , "b" , "[5m]" )'),
        written(AGGREGATION, inner),
        written(AGGREGATION, GROUPING, inner),
        written(AGGREGATION, inner, GROUPING),
        written("topk ( 3 ,", vector, ")"),
        written(inner, OPERATOR, maybe(ON), inner),
        written(inner, OPERATOR, ON, one_of("group_left ( )", "group_right ( code )"), inner),
        written(inner, one_of("and", "or", "unless", "AND"), maybe(ON), inner),
        written(vector, OPERATOR, NUMBER),
        written("-", vector),
    )


# Built once: each takes Hypothesis longer to build than to draw from.
_LEXEMES = st.recursive(written(SELECTOR, LOOKING), larger, max_leaves=6)
_BLANK, _BLANK_BEHIND_BRACKET = st.sampled_from(["", *_BLANKS]), st.sampled_from(["", " "])


@st.composite
def expressions(draw):
    """Generate an expression's text, with blanks and comments where PromQL allows them."""
    lexemes = draw(_LEXEMES)
    text = lexemes[0]
    for before, lexeme in pairwise(lexemes):
        # Right behind an opening bracket Prometheus takes no comment.
        blank = draw(_BLANK if before != "[" else _BLANK_BEHIND_BRACKET)
        is_needed = (before[-1].isalnum() or before[-1] in "_:.") and (
            lexeme[0].isalnum() or lexeme[0] in "_:."
        )
        text += (blank or " " if is_needed else blank) + lexeme
    return text


def leaves(node, shrunk=lambda length_ms, _least_ms: length_ms):
    """Yield the leaves of a syntax tree in order: texts as they are, durations once `shrunk`.

    Args:
        node: The root of the tree.
        shrunk: Maps a duration and its lower limit, in milliseconds, to the shrunk duration.
    """
    factor, node = _multiplied(node)
    yield type(node).__name__
    if isinstance(node, promql.MatrixSelector):
        yield shrunk(expression.milliseconds(node.range), 4_000)
        yield from leaves(node.vector_selector, shrunk)
    elif isinstance(node, promql.VectorSelector):
        yield node.name
        yield from (
            part
            for matcher in node.matchers.matchers
            for part in (matcher.name, str(matcher.op), matcher.value)
        )
    elif isinstance(node, promql.SubqueryExpr):
        yield shrunk(expression.milliseconds(node.range), 4_000)
        yield shrunk(expression.milliseconds(node.step), 1_000)
    elif isinstance(node, promql.NumberLiteral | promql.StringLiteral):
        yield str(node.val)
    elif isinstance(node, promql.Call):
        yield node.func.name
        yield factor * _shortened(node, shrunk) if node.func.name == "increase" else factor
    yield from (str(getattr(node, attribute, "")) for attribute in ("op", "modifier"))
    if isinstance(node, promql.VectorSelector | promql.SubqueryExpr):
        offset_ms = expression.milliseconds(node.offset)
        yield shrunk(abs(offset_ms), 1) * (-1 if offset_ms < 0 else 1)
        yield str(node.at)
    for child in expression.children(node):
        yield from leaves(child, shrunk)


def _multiplied(node):
    """Split `(NUMBER * increase(…))` into the number and the call; 1 and the node for all else."""
    inside = node.expr if isinstance(node, promql.ParenExpr) else None
    if (
        isinstance(inside, promql.BinaryExpr)
        and str(inside.op) == "*"
        and isinstance(inside.lhs, promql.NumberLiteral)
    ):
        factor, call = _multiplied(inside.rhs)
        if isinstance(call, promql.Call) and call.func.name == "increase":
            return inside.lhs.val * factor, call
    return 1.0, node


def _shortened(call, shrunk):
    """Return the factor by which the call's window becomes shorter."""
    (window,) = call.args
    length_ms = expression.milliseconds(window.range)
    return length_ms / shrunk(length_ms, 4_000)
