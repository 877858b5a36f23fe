"""Rules of a group are ordered by what they read of each other."""

import pytest

from firedrill.alerts.replay import evaluation_order
from firedrill.alerts.rules import dependencies
from firedrill.alerts.rules.rule_file import Rule


def record(name, expr):
    return Rule(name, expr, is_alert=False, place="", expr_place="", labels={}, annotations={})


def alert(name, expr):
    return Rule(name, expr, is_alert=True, place="", expr_place="", labels={}, annotations={})


@pytest.mark.parametrize(
    ("rules", "layers"),
    [
        ([record("a", "x"), record("b", "y"), alert("A", "z")], ["a b A"]),
        ([record("a", "x"), alert("A", "a"), record("b", "a"), alert("B", "b")], ["a", "A b", "B"]),
        ([alert("A", "a"), record("a", "x")], ["A a"]),
        ([record("a", "a + 1"), record("a", "x"), record("b", '{job="j"}')], ["a a", "b"]),
        ([record("b", '{job="j"}')], ["b"]),
    ],
    ids=[
        "none reads another",
        "each sees what was before it",
        "read before it is recorded",
        "any name may be one's own",
        "alone",
    ],
)
def test_rules_split_into_layers_where_one_reads_another(rules, layers):
    assert [
        " ".join(rule.name for rule in layer) for layer in evaluation_order.layers(rules)
    ] == layers


def test_rules_that_read_nothing_of_their_group_are_independent():
    rules = [
        record("a", "x"),
        record("b", "a"),
        record("c", "c + 1"),
        record("d", '{job="j"}'),
        alert("A", "x"),
    ]
    assert [rule.name for rule in evaluation_order.independent(rules)] == ["a"]


def test_reading_recorded_series_extends_the_look_back():
    recorded = dependencies.records(
        [
            record("a", "rate(x[5m])"),
            record("a", "y"),
            record("b", "b offset 1m + a"),
            alert("x", "z"),
        ]
    )
    assert set(dependencies.read("b offset 10s", recorded)) == {
        ("b", 10_000),
        ("b", 70_000),
        ("a", 10_000),
        ("x", 310_000),
        ("y", 10_000),
    }
