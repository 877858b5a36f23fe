"""Expressions that read the future are refused."""

import pytest

from firedrill.alerts.rules import time_modifiers
from firedrill.errors import BadInput

NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("expr", "what"),
    [
        ("x offset -5m", "offset -5m reads what is recorded later"),
        ("max_over_time(x[5m:1m] OFFSET - 1m)", "offset -1m reads what is recorded later"),
        ("x @ 1700000001", "@ 1700000001 comes after the first evaluation"),
    ],
)
def test_expressions_that_read_the_future_are_refused(expr, what):
    with pytest.raises(BadInput, match=what):
        time_modifiers.refuse_future(expr, NOW_MS)


@pytest.mark.parametrize(
    "expr",
    [
        "x offset 5m",
        "x @ 1700000000",
        "x @ end()",
        'x{a="offset -5m"}',
        "x - 5",
        "sum by (offset) (x) - 1",
    ],
)
def test_expressions_that_read_the_past_are_accepted(expr):
    time_modifiers.refuse_future(expr, NOW_MS)


def test_only_start_and_end_differ_in_a_range_query():
    assert time_modifiers.needs_instant_queries("x @ start() > 0")
    assert time_modifiers.needs_instant_queries("max_over_time(x[5m:1m] @ end())")
    assert not time_modifiers.needs_instant_queries('x{at="@ end()"} @ 17 > start')
