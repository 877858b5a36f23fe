"""Rules are compared by their meaning, ordered, and matched with the groups that a run had loaded."""

import pytest

from firedrill.alerts.replay import evaluation_order, loaded_rules
from firedrill.alerts.rules import equivalence, rule_file, time_modifiers
from firedrill.errors import BadInput

NOW_MS = 1_700_000_000_000


def groups(tmp_path, text, name="r.yml"):
    file = tmp_path / name
    file.write_text(text)
    return rule_file.read(file)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rate(x[60s]) > 0.10", " rate( x[1m] )>1e-1 # often"),
        ("x{a='b'}", 'x{a="b"}'),
        ("x{a=`b`} > 0x10", 'x{a="b"} > 16'),
    ],
)
def test_blanks_comments_quotes_and_units_do_not_change_the_meaning(one, other):
    assert equivalence.of(one) == equivalence.of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('x{a="b c"}', 'x{a="b  c"}'),
        ('x{a="#b"}', 'x{a="#c"}'),
        ("x > 1", "x > 1.5"),
        ('x == y{a="1"}', "x == y{a=1}"),
    ],
)
def test_every_other_difference_changes_the_meaning(one, other):
    assert equivalence.of(one) != equivalence.of(other)


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
        time_modifiers.need_past(expr, NOW_MS)


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
    time_modifiers.need_past(expr, NOW_MS)


def test_only_start_and_end_differ_in_a_range_query():
    assert time_modifiers.is_alone("x @ start() > 0")
    assert time_modifiers.is_alone("max_over_time(x[5m:1m] @ end())")
    assert not time_modifiers.is_alone('x{at="@ end()"} @ 17 > start')


def test_series_recorded_by_later_rules_are_read_early(tmp_path):
    (group,) = groups(
        tmp_path,
        "groups:\n  - name: g\n    rules:\n"
        "      - {alert: A, expr: b > 1}\n"
        "      - {record: b, expr: c}\n"
        "      - {record: c, expr: c + 1 or d}\n"
        "      - {alert: Z, expr: b > 1}\n",
    )
    assert [evaluation_order.read_early(group, number) for number in range(4)] == [
        {"b"},
        {"c"},
        {"c"},
        set(),
    ]
    ((_, _),) = evaluation_order.units([group])[0]


def test_groups_that_read_each_other_have_no_order(tmp_path):
    found = groups(
        tmp_path,
        "groups:\n  - {name: f, rules: [{record: a, expr: b}, {record: d, expr: e}]}\n  - {name: g, rules: [{record: b, expr: a}]}\n"
        "  - {name: h, rules: [{record: e, expr: up}]}\n",
    )
    units, circular = evaluation_order.units(found)
    assert [rule.name for unit in units for _, rule in unit] == ["e", "d"]
    assert {rule.name for rule in circular} == {"a", "b"}


def test_groups_of_one_name_are_distinguished_by_their_files(tmp_path):
    text = "groups:\n  - {name: g, rules: []}\n"
    theirs = [*groups(tmp_path, text, "user-0-a.yml"), *groups(tmp_path, text, "b.yml")]
    (tmp_path / "mine").mkdir()
    a, b, c = (groups(tmp_path / "mine", text, name)[0] for name in ("a.yml", "b.yml", "c.yml"))
    assert loaded_rules.origins([a, b, c], theirs) == {a.place: theirs[0], b.place: theirs[1]}
    assert loaded_rules.origins([c], theirs[:1]) == {c.place: theirs[0]}
    assert loaded_rules.origins([c], theirs) == {}
