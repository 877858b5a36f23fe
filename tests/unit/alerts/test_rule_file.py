"""Rule files are read with their lines, and mistakes do not hide the rest."""

import json
import subprocess

import pytest

from firedrill.alerts.rules import promtool, rule_file
from firedrill.errors import BadInput
from firedrill.processes import programs
from tests import required_programs


@pytest.mark.parametrize(
    "spelled", ["true", "1.50", "0777", "1e3", "1_000", "2026-01-02", "0x10", "yes", ".inf", "'~'"]
)
def test_names_and_labels_are_kept_as_spelled(tmp_path, spelled):
    required_programs.require("promtool")
    alert = (
        f"      - alert: {spelled}\n        expr: vector(1)\n"
        f"        labels: {{page: {spelled}, none: ~, nothing: }}\n"
    )
    (tmp_path / "r.yml").write_text(f"groups:\n  - name: g\n    rules:\n{alert}")
    ((rule,),) = [group.rules for group in rule_file.read(tmp_path / "r.yml")]
    fires = {
        "alertname": rule.name,
        "exp_alerts": [{"exp_labels": dict(rule.labels)}],
        "eval_time": "1m",
    }
    unit_test = {
        "rule_files": ["r.yml"],
        "tests": [{"interval": "1m", "input_series": [], "alert_rule_test": [fires]}],
    }
    (tmp_path / "t.yml").write_text(json.dumps(unit_test))
    done = subprocess.run(
        [programs.need("promtool"), "test", "rules", "t.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (rule.name, rule.labels) == (spelled.strip("'"), {"page": spelled.strip("'")})


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "groups:\n", "groups: []\n"])
def test_a_file_without_rules_is_a_valid_rule_file(tmp_path, text):
    (tmp_path / "r.yml").write_text(text)
    assert rule_file.read(tmp_path / "r.yml") == ()


def test_rules_are_read_with_their_lines(tmp_path):
    file = tmp_path / "r.yml"
    file.write_text(
        "groups:\n  - name: g\n    interval: 15s\n    limit: 2\n    rules:\n"
        "      - alert: Off\n        expr: 1\n        for: 1m\n"
    )
    (group,) = rule_file.read(file)
    (rule,) = group.rules
    assert (group.interval_ms, group.limit, rule.name, rule.expr, rule.hold_ms) == (
        15_000,
        2,
        "Off",
        "1",
        60_000,
    )
    assert (rule.place, rule.expr_place) == (f"{file}:6", f"{file}:7")


def test_an_aliased_expression_keeps_the_line_of_its_rule(tmp_path):
    file = tmp_path / "r.yml"
    file.write_text(
        "groups:\n  - name: g\n    rules:\n"
        "      - &a {alert: A, expr: 1}\n      - <<: *a\n        alert: B\n"
    )
    ((_, merged),) = [group.rules for group in rule_file.read(file)]
    assert (merged.name, merged.expr, merged.expr_place) == ("B", "1", f"{file}:5")


def test_a_binary_file_is_an_error(tmp_path):
    file = tmp_path / "r.yml"
    file.write_bytes(b"groups: [{name: \xe9}]")
    with pytest.raises(BadInput, match="no text; expected a Prometheus rule file"):
        rule_file.read(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            (
                "groups:\n  - name: g\n    rules:\n"
                "      - alert: A\n        expr: 1\n        for: 5x\n"
            ),
            "r.yml:6: for: 5x is no duration",
        ),
        ("groups: [\n", "r.yml:1"),
        ("groups:\n  - name: g\n    rules:\n      - expr: 1\n", "r.yml:4: no rule"),
        (
            "groups:\n  - name: g\n    limit: few\n    rules: []\n",
            "r.yml:3: limit: few is no whole number",
        ),
        (
            "groups:\n  - name: g\n    rules:\n      - {alert: A, expr: 1,\n        labels: [a]}\n",
            "r.yml:5: labels: .* is no mapping",
        ),
        (
            "groups:\n  - name: g\n    rules:\n      - {alert: A, expr: 1, annotations: a}\n",
            "r.yml:4: annotations: a is no mapping",
        ),
        ("groups:\n  - name: g\x07\n", "r.yml:2: unacceptable character"),
    ],
)
def test_a_syntax_error_is_named_with_its_line(tmp_path, text, message):
    file = tmp_path / "r.yml"
    file.write_text(text)
    with pytest.raises(BadInput, match=message):
        rule_file.read(file)


WRONG = {
    "a duration without a unit": "    rules: [*GOOD, {alert: B, expr: up, for: 5}]",
    "a duration that is none": "    rules: [*GOOD, {alert: B, expr: up, keep_firing_for: -5s}]",
    "labels that are none": "    rules: [*GOOD, {alert: B, expr: up, labels: [a]}]",
    "an expression that is there twice": "    rules: [*GOOD, {alert: B, expr: up, expr: up}]",
    "a label that is there twice": "    rules: [*GOOD, {alert: B, expr: up, labels: {a: b, a: c}}]",
    "a text": "    rules: [*GOOD, hello]",
    "nothing": "    rules: [*GOOD, ]\n  - name: b\n    rules:\n      -\n      - *GOOD",
    "a group that is a text": "    rules: [*GOOD]\n  - hello",
    "a group without a name": "    rules: [*GOOD]\n  - rules: []",
    "a group whose rules are a text": "    rules: [*GOOD]\n  - name: b\n    rules: hello",
    "a group whose limit is a text": "    rules: [*GOOD]\n  - name: b\n    limit: x",
    "a group with two names": "    rules: [*GOOD]\n  - name: b\n    name: c",
    "a rule of several lines": """\
    rules:
      - *GOOD
      - alert: B
        expr: |
          up
            > 0
        for: 5
      - *GOOD""",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_mistakes_have_their_line_and_the_rest_is_read(tmp_path, text):
    required_programs.require("promtool")
    file = tmp_path / "r.yml"
    file.write_text(
        f"groups:\n  - name: a\n{text}\n".replace("*GOOD", "{alert: Good, expr: up == 2}")
    )
    result = rule_file.read_tolerantly(file)
    (mistake,) = result.mistakes
    valid = {
        rule.name for group in result.groups for rule in group.rules if mistake.rule is not rule
    }
    assert valid == {"Good"}
    _, listed = promtool.check_file(file)
    assert listed == [mistake], "promtool has nothing against the rest"
    named, line = mistake.place.rsplit(":", 1)
    assert named == str(file)
    assert file.read_text().splitlines()[int(line) - 1].strip() not in {"", "rules:", "- *GOOD"}
    (document,) = result.documents
    assert len(document.text.splitlines()) == len(file.read_text().splitlines())


BESIDE = """\
groups:
  - hello
  - name: g
    rules:
      - alert: Bad
        expr: |
          up
        for: 5
      - {alert: Good, expr: up}
      - {alert: Worse, expr: up(}
"""


def test_a_promtool_mistake_among_others_keeps_line_and_rule(tmp_path):
    required_programs.require("promtool")
    file = tmp_path / "r.yml"
    file.write_text(BESIDE)
    _, mistakes = promtool.check_file(file)
    reported = [(mistake.place, mistake.rule and mistake.rule.name) for mistake in mistakes]
    assert reported == [(f"{file}:2", None), (f"{file}:8", "Bad"), (f"{file}:10", "Worse")]
