"""Expressions are equivalent whatever their blanks, comments, quotes and units."""

import pytest

from firedrill.alerts.rules import equivalence


@pytest.mark.parametrize(
    ("expr", "other"),
    [
        ("rate(x[60s]) > 0.10", " rate( x[1m] )>1e-1 # often"),
        ("x{a='b'}", 'x{a="b"}'),
        ("x{a=`b`} > 0x10", 'x{a="b"} > 16'),
    ],
)
def test_blanks_comments_quotes_and_units_do_not_change_the_meaning(expr, other):
    assert equivalence.normalize(expr) == equivalence.normalize(other)


@pytest.mark.parametrize(
    ("expr", "other"),
    [
        ('x{a="b c"}', 'x{a="b  c"}'),
        ('x{a="#b"}', 'x{a="#c"}'),
        ("x > 1", "x > 1.5"),
        ('x == y{a="1"}', "x == y{a=1}"),
    ],
)
def test_every_other_difference_changes_the_meaning(expr, other):
    assert equivalence.normalize(expr) != equivalence.normalize(other)
