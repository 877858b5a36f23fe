"""Backtests of rule files and runs that are broken, incomplete or long, or that have a past."""

import json
import re

import pytest
from click.testing import CliRunner

from bench.backtest import DURING_A_SCRAPE_MS, made_up_run, rules
from firedrill.alerts.replay import evaluation_times, visibility
from firedrill.alerts.replay.environment import ReplayEnvironment
from firedrill.alerts.rules import rule_file
from firedrill.cli import main
from firedrill.interrupt import Interrupt

SECONDS = 60
MISTAKES = """\
groups:
  - name: mine
    interval: 1s
    rules:
      - {alert: Unclosed, expr: 'rate(load_ratio'}
      - {alert: Unknown, expr: frobnicate(up)}
      - alert: Template
        expr: up
        annotations: {description: "{{ $labels.job "}
      - {alert: Twice, expr: 'up * on (job) up'}
      - {alert: Good, expr: up}
"""


def recorded(tmp_path_factory, seconds, unseen=range(0), **more):
    with Interrupt() as interrupt:
        return made_up_run(
            tmp_path_factory.mktemp("made"), seconds, rules(20), interrupt, unseen, **more
        )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return recorded(tmp_path_factory, SECONDS)


@pytest.fixture
def asked(tmp_path):
    """Backtest the text of a rule file; return (exit code, output, errors, the file)."""

    def ask(text, run, *words):
        file = tmp_path / "mine.yml"
        file.write_text(text)
        done = CliRunner().invoke(
            main, ["alerts", "backtest", str(file), "--run", str(run.folder), *map(str, words)]
        )
        return done.exit_code, done.stdout, done.stderr, file

    return ask


def test_broken_rules_are_named_and_the_others_judged(asked, run):
    code, output, errors, file = asked(MISTAKES, run, "--json")
    assert code == 2
    for line, text in (
        (5, "Unclosed: could not parse expression: 1:16: parse error: unclosed left parenthesis"),
        (
            6,
            (
                "Unknown: could not parse expression: 1:1: parse error: "
                'unknown function with name "frobnicate"'
            ),
        ),
        (7, "Template: "),
    ):
        assert f"{file}:{line}: {text}" in errors
    judged = {alert["name"]: alert for alert in json.loads(output)["alerts"]}
    assert set(judged) == {"Twice", "Good"}
    assert judged["Twice"]["failed_evaluations"] > SECONDS - 5
    assert judged["Good"]["failed_evaluations"] == 0


WRONG = """\
groups:
  - name: mine
    interval: 1s
    rules:
      - {alert: Number, expr: up, for: 5}
      - {alert: Good, expr: up}
      - {alert: Twice, expr: up, expr: up == 1}
      - {alert: Unclosed, expr: 'rate(up'}
  - hello
  - {name: limited, limit: x, rules: [{alert: Limited, expr: up}]}
  - {name: theirs, interval: 1s, rules: [{alert: Also, expr: up}]}
"""


def test_malformed_entries_are_named_and_the_others_judged(asked, run):
    code, output, errors, file = asked(WRONG, run, "--json", "--alert", "Good", "--alert", "Also")
    assert code == 2
    assert {line.removeprefix(f"{file}:").partition(":")[0] for line in errors.splitlines()} == {
        "5",
        "7",
        "8",
        "9",
        "10",
    }
    report = json.loads(output)
    assert [alert["name"] for alert in report["alerts"]] == ["Good", "Also"]
    assert len(report["refused"]) == 5


DOUBTS = """\
groups:
  - name: often
    interval: 1s
    limit: 2
    rules:
      - {record: "mine:clash", expr: up, labels: {instance: same}}
      - {record: "mine:many", expr: up * on () up}
      - {alert: TooMany, expr: up}
      - {alert: Same, expr: up, labels: {instance: same}}
      - {alert: Unseen, expr: no_such_metric > 0}
      - {alert: Meta, expr: 'count(ALERTS) > 10'}
      - {alert: Long, for: 2m,
         expr: 'avg_over_time(load_ratio{number="1", instance="page-1"}[5m]) > 0.5'}
      - {alert: Future, expr: up offset -5s}
  - name: seldom
    interval: 1000d
    rules:
      - {alert: Never, expr: up}
"""


def test_remarks_name_everything_a_replay_cannot_show(asked, run):
    code, output, errors, file = asked(DOUBTS, run, "--json")
    assert code == 2
    assert f"{file}:14: Future: offset -5s reads what is recorded later" in errors
    report = json.loads(output)
    clash = "two elements have the same labels once the rule's are applied"
    said = [
        re.sub(
            r"after [-0-9.]+ s|^\S+?(?=:\d+:)| on the right hand-side of the operation.*",
            "",
            remark,
        )
        for remark in report["remarks"]
    ]
    many = "found duplicate series for the match group {}"
    number = report["alerts"][0]["evaluations"]
    assert said == [
        f":6: mine:clash: {number} of {number} evaluations fail, the first : {clash}",
        f":7: mine:many: {number} of {number} evaluations fail, the first : {many}",
        (
            "nothing was recorded of no_such_metric (Unseen); check the name, or record it with"
            " --scrape"
        ),
        (
            ":11: Meta reads ALERTS as the run's own rules wrote it, not as these rules would; play"
            " a drill with --rules to judge it"
        ),
        (
            "the load lasts 60 s, less than a window or `for` of Long, so they may not fire in it;"
            " replay production rules with --stretch 12, or play a longer run"
        ),
        (
            f":8: TooMany: {number - 1} of {number} evaluations fail, "
            "the first : 4 of them are more than the group's limit of 2"
        ),
        f":9: Same: {number - 1} of {number} evaluations fail, the first : {clash}",
        (
            ":15: group seldom is evaluated every 86400000 s, and never in this run; play a longer"
            " run, or replay it with --stretch"
        ),
    ]


def test_an_unreadable_file_does_not_stop_the_others(asked, run, tmp_path):
    (tmp_path / "broken.yml").write_text("groups:\n  - nme: a\n")
    code, output, errors, _ = asked(rules(4), run, str(tmp_path / "broken.yml"), "--json")
    assert code == 2
    assert f"{tmp_path / 'broken.yml'}:2: no group" in errors
    assert len(json.loads(output)["alerts"]) == 4


STEPPED = """\
groups:
  - name: stepped
    interval: 1s
    rules:
      - {alert: Range, expr: 'own[5m]'}
      - {alert: Future, expr: own offset -5s}
      - {alert: Good, expr: own}
      - {record: text, expr: '"own"'}
      - {record: own, expr: vector(1)}
"""


def test_rules_of_a_stepped_group_are_refused_once(asked, run):
    code, output, errors, file = asked(STEPPED, run, "--json")
    assert code == 2
    assert sorted(
        line.removeprefix(f"{file}:").split(":")[1].strip() for line in errors.splitlines()
    ) == ["Future", "Range", "text"]
    assert [alert["name"] for alert in json.loads(output)["alerts"]] == ["Good"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("groups:\n  - name: [\n", "mine.yml:2: "),
        ("- a\n- b\n", "mine.yml:1: no mapping; expected a Prometheus rule file"),
        (
            "groups:\n  - name: g\n    rules:\n      - {alert: A, expr: up, for: soon}\n",
            "mine.yml:4: for: soon is no duration",
        ),
    ],
)
def test_a_malformed_file_is_named_with_its_line(asked, run, text, message):
    code, output, errors, _ = asked(text, run, "--json")
    assert code == 2
    assert message in errors
    report = json.loads(output)
    assert [f"{one['place']}: {one['text']}" for one in report["refused"]] == errors.splitlines()
    assert report["alerts"] == []


def test_a_run_without_scrapes_is_bad_input(asked, tmp_path_factory):
    empty = recorded(tmp_path_factory, 0)
    code, _, errors, _ = asked(rules(20), empty)
    assert code == 2
    assert f"{empty.folder}: nothing was scraped in this run" in errors


def test_a_damaged_snapshot_is_named_with_the_reason(asked, tmp_path_factory):
    damaged = recorded(tmp_path_factory, 10)
    for index in damaged.snapshot.glob("*/index"):
        index.write_bytes(b"no index")
    code, _, errors, _ = asked(rules(4), damaged)
    assert code == 2
    assert str(damaged.snapshot) in errors
    assert "invalid magic number" in errors


def test_a_run_with_a_gap_says_so_and_is_judged(asked, tmp_path_factory):
    code, output, _, _ = asked(rules(4), recorded(tmp_path_factory, SECONDS, range(20, 40)))
    assert code == 0
    assert "nothing was scraped for 21 s, 19 s after the load began" in " ".join(output.split())


def test_five_hundred_rules_are_judged(asked, run):
    code, output, errors, _ = asked(rules(500), run, "--json")
    assert (code, errors) == (0, "")
    assert len(json.loads(output)["alerts"]) == 500


def test_a_group_may_have_any_name(asked, run):
    code, output, errors, _ = asked(
        "groups:\n  - {name: 'my \\ \"own\".*', rules: [{alert: A, expr: up}]}\n", run, "--json"
    )
    assert (code, errors) == (0, "")
    assert json.loads(output)["alerts"][0]["evaluations"] > SECONDS - 5


def test_an_alert_before_its_recording_sees_it_later(asked, run):
    text = "groups:\n  - name: mine\n    interval: 1s\n    rules:\n"
    for name in ("Early", "Late"):
        text += f"      - {{alert: {name}, expr: 'mine:asked'}}\n"
        text += "      - {record: 'mine:asked', expr: asked_total > 95}\n"
    _, output, _, _ = asked(text, run, "--json")
    early, late = (
        alert["fired"][0]["firing_after_seconds"] for alert in json.loads(output)["alerts"]
    )
    assert early == late + 1


def test_too_many_open_evaluations_are_all_unsure(run, tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text(rules(4))
    groups = rule_file.read(file)
    with (
        Interrupt() as interrupt,
        ReplayEnvironment(run, groups, 1, None, interrupt, max_queries=0) as environment,
    ):
        for group in groups:
            times, interval_ms = environment.timeline.times_of(group)
            vectors = [
                (rule, evaluation_times.evaluate(environment.prom, rule.expr, times, interval_ms))
                for rule in group.rules
                if rule.is_alert
            ]
            assert vectors
            for seen in visibility.observe(environment, group, vectors, interrupt):
                assert seen.ambiguous == set(times), "the first scrape was slow"
        assert [rule.name for rule in environment.not_queried] == ["High0", "Busy0"] * 2


def test_open_evaluations_are_marked_only_if_it_matters(asked, tmp_path_factory):
    amid = recorded(tmp_path_factory, SECONDS, after_ms=DURING_A_SCRAPE_MS)
    once = "      - {alert: Once, expr: 'asked_total{number=\"0\"} == 100'}\n"
    report = json.loads(asked(rules(200) + once, amid, "--json")[1])
    marked = {alert["name"]: alert["ambiguous_evaluations"] for alert in report["alerts"]}
    assert {name: number for name, number in marked.items() if number} == {"Once": 2}, (
        "the tenth second or the next"
    )


def test_one_page_may_be_seen_without_the_other(asked, run):
    text = rules(4)
    half = 'count(asked_total{number="0"}) == 2'
    text += f"      - {{alert: Half, expr: '{half}', keep_firing_for: 3s}}\n"
    text += "      - {alert: Five, expr: 'count(up) > 4'}\n"
    _, output, _, _ = asked(text, run, "--json", "--alert", "Half", "--alert", "Five")
    half, five = json.loads(output)["alerts"]
    assert (half["ambiguous_evaluations"], half["fired"]) == (2, []), (
        "the first scrape of all four was slow, amid the silence after a start"
    )
    assert five["ambiguous_evaluations"] == 0


def test_series_of_the_history_end_as_the_run_begins(asked, run, tmp_path_factory):
    past = recorded(tmp_path_factory, SECONDS, endpoints=5)
    text = (
        "groups:\n  - {name: mine, interval: 1s, rules: ["
        "{alert: Ghost, expr: 'count(up) > 4'}, {alert: Past, expr: 'up offset 30s'}]}\n"
    )
    _, output, _, _ = asked(text, run, "--json", "--history", past.folder)
    assert {alert["name"]: len(alert["fired"]) for alert in json.loads(output)["alerts"]} == {
        "Ghost": 0,
        "Past": 5,
    }


def test_only_alerts_with_a_threshold_are_swept(asked, run):
    text = (
        "groups:\n  - {name: mine, interval: 1s, rules: ["
        "{alert: Some, expr: up > 0.5}, {alert: None, expr: up and up}]}\n"
    )
    words = ("--sweep", "threshold=0..2/2")
    code, output, errors, file = asked(text, run, "--json", *words)
    assert (code, errors) == (0, "")
    report = json.loads(output)
    assert (
        f"{file}:2: None: --sweep threshold: compares nothing with a number; "
        "expected an alert such as `a > 0.5`" in report["remarks"]
    )
    assert [len(alert["sweep"]) for alert in report["alerts"]] == [2, 0]
    code, output, errors, _ = asked(text, run, "--alert", "None", *words)
    assert (code, output) == (2, "")
    assert errors.endswith(
        "None: --sweep threshold: compares nothing with a number; "
        "expected an alert such as `a > 0.5`\n"
    )


def test_a_sweep_equals_the_rule_with_another_number(asked, run):
    """The thresholds are a scalar, a number on the left, a factor, and the first of two numbers;
    none is a plain number at the end.
    """
    ways = {
        "0.1 * 2 < X": "0.25 < X",
        "X > scalar(vector(0.4))": "X > 0.25",
        "X > 0.9 * (X * 0 + 1)": "X > 0.25 * (X * 0 + 1)",
        "X >= 0 and 0.25 > X": "X >= 0.25 and 0.25 > X",
    }
    alerts, others = (
        [
            f"{{alert: {name}, expr: '{expr}'}}".replace("X", 'load_ratio{number="1"}')
            for name, expr in zip("abcd", exprs, strict=True)
        ]
        for exprs in (ways.keys(), ways.values())
    )
    text = "groups:\n  - {{name: mine, interval: 1s, rules: [{}]}}\n"
    words = (
        "--json",
        "--stretch",
        "2",
    )  # Of a stretched run nothing is open, which would be asked and is no matter of a sweep.
    swept = json.loads(
        asked(text.format(", ".join(alerts)), run, *words, "--sweep", "threshold.1=0.25")[1]
    )
    changed = json.loads(asked(text.format(", ".join(others)), run, *words, "--sweep", "for=0")[1])
    assert [alert["sweep"][0] | {"threshold": None} for alert in swept["alerts"]] == [
        alert["sweep"][0] for alert in changed["alerts"]
    ]
    assert sum(alert["sweep"][0]["false_fires"] for alert in swept["alerts"]) > len(ways)


def test_history_gives_a_rule_the_past_it_reads(asked, run):
    text = (
        "groups:\n  - {name: mine, interval: 1s, rules: ["
        "{alert: Past, expr: 'count(load_ratio offset 30s) > 0'}]}\n"
    )
    fired = {}
    for name, words in (("without", ()), ("with", ("--history", run.folder))):
        _, output, _, _ = asked(text, run, "--json", *words)
        (alert,) = json.loads(output)["alerts"]
        fired[name] = alert["fired"][0]["firing_after_seconds"]
    assert 29 <= fired["without"] <= 32
    assert fired["with"] <= 1


PRESENT = """\
groups:
  - name: mine
    interval: {second}s
    rules:
      - {{record: 'mine:load', expr: 'max by (number) (load_ratio{{number="1"}})'}}
      - {{alert: Busy, expr: 'mine:load > 0.5', for: {hold}s}}
      - {{alert: Gone, expr: 'absent(load_ratio{{number="1"}})'}}
"""


def test_a_far_stretched_run_is_seen_as_recorded(asked, tmp_path_factory):
    gap, stretch = recorded(tmp_path_factory, SECONDS, range(20, 40)), 600
    lives = []
    for factor in (1, stretch):
        report = json.loads(
            asked(
                PRESENT.format(second=factor, hold=5 * factor), gap, "--json", "--stretch", factor
            )[1]
        )
        lives.append(
            {
                alert["name"]: [
                    (firing["firing_after_seconds"] / factor, firing["resolved_after_seconds"])
                    for firing in alert["fired"]
                ]
                for alert in report["alerts"]
            }
        )
    (was,), (is_now,) = (firing["Busy"] for firing in lives)
    assert was[0] == pytest.approx(is_now[0], abs=2)
    assert (was[1], is_now[1]) == (None, None), (
        "the gap is shorter than what Prometheus goes on with"
    )
    assert [at for firing in lives for at, _ in firing["Gone"] if at > 0] == [], (
        "the first scrape is slow"
    )
