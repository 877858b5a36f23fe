"""Rules are ordered by what they read of each other, and by what their group records."""

import pytest

from firedrill.alerts.replay import evaluation_order, loaded_rules
from firedrill.alerts.rules import dependencies, rule_file
from tests.unit.alerts.rule_builders import alert, record


def groups(tmp_path, text, name="r.yml"):
    file = tmp_path / name
    file.write_text(text)
    return rule_file.read(file)


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
    recorded = dependencies.recordings(
        [
            record("a", "rate(x[5m])"),
            record("a", "y"),
            record("b", "b offset 1m + a"),
            alert("x", "z"),
        ]
    )
    assert set(dependencies.series_read("b offset 10s", recorded)) == {
        ("b", 10_000),
        ("b", 70_000),
        ("a", 10_000),
        ("x", 310_000),
        ("y", 10_000),
    }


def test_series_recorded_by_later_rules_are_read_early(tmp_path):
    (group,) = groups(
        tmp_path,
        "groups:\n  - name: g\n    rules:\n"
        "      - {alert: A, expr: b > 1}\n"
        "      - {record: b, expr: c}\n"
        "      - {record: c, expr: c + 1 or d}\n"
        "      - {alert: Z, expr: b > 1}\n",
    )
    assert [evaluation_order.read_before_recorded(group, number) for number in range(4)] == [
        {"b"},
        {"c"},
        {"c"},
        set(),
    ]
    ((_, _),) = evaluation_order.units([group])[0]


def test_groups_that_read_each_other_have_no_order(tmp_path):
    rule_groups = groups(
        tmp_path,
        "groups:\n  - {name: f, rules: [{record: a, expr: b}, {record: d, expr: e}]}\n"
        "  - {name: g, rules: [{record: b, expr: a}]}\n"
        "  - {name: h, rules: [{record: e, expr: up}]}\n",
    )
    units, circular = evaluation_order.units(rule_groups)
    assert [rule.name for unit in units for _, rule in unit] == ["e", "d"]
    assert {rule.name for rule in circular} == {"a", "b"}


def test_groups_of_one_name_are_distinguished_by_their_files(tmp_path):
    text = "groups:\n  - {name: g, rules: []}\n"
    theirs = [*groups(tmp_path, text, "user-0-a.yml"), *groups(tmp_path, text, "b.yml")]
    (tmp_path / "mine").mkdir()
    a, b, c = (groups(tmp_path / "mine", text, name)[0] for name in ("a.yml", "b.yml", "c.yml"))
    assert loaded_rules.match([a, b, c], theirs) == {a.place: theirs[0], b.place: theirs[1]}
    assert loaded_rules.match([c], theirs[:1]) == {c.place: theirs[0]}
    assert loaded_rules.match([c], theirs) == {}
