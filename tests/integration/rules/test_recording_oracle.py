"""A replay of rules that read each other's records, across groups, agrees with promtool."""

import random
import shutil
import time

from firedrill.alerts.replay.alert_state import AlertStateMachine
from firedrill.alerts.replay.environment import ReplayEnvironment
from firedrill.alerts.replay.recording_rules import STALE
from firedrill.alerts.rules import rule_file
from firedrill.interrupt import Interrupt
from firedrill.prometheus import remote
from firedrill.prometheus.recorded_data import RecordedPrometheus
from firedrill.record.figures import Window
from firedrill.record.run_document import RunDocument
from firedrill.record.run_folder import Run
from tests import required_programs
from tests.rules.promtool_cases import EVALUATIONS, INTERVAL_MS, in_promql, run_cases

NUMBERS = [str(number) for number in range(6)]
RULES = """\
groups:
  - name: first
    interval: 10s
    limit: 8
    rules:
      - {alert: Early, expr: 'own:metric > 0', for: 20s}
      - {alert: EarlyWindow, expr: 'max_over_time(own:metric[20s]) > 0', keep_firing_for: 15s}
      - {record: 'own:before', expr: 'own:metric * 2'}
      - {record: 'own:metric', expr: 'metric > 0', labels: {more: x}}
      - {alert: InTime, expr: 'own:metric > 0', for: 20s}
      - {alert: OfBefore, expr: 'own:before > 0', for: 10s}
      - {record: 'own:steps', expr: 'own:steps + 1 or vector(1)'}
      - {alert: Steps, expr: 'own:steps > 5', for: 10s}
      - {alert: OfSubquery, expr: 'count_over_time(own:metric[30s:10s]) > 2'}
      - {alert: AtItsEnd, expr: 'max_over_time((metric @ end())[30s:10s]) > 0'}
      - {alert: AtAMoment, expr: 'metric @ MOMENT > 0', for: 10s}
  - name: second
    interval: 10s
    rules:
      - {alert: OfAnother, expr: 'sum by (rule) (own:metric) > 1', for: 10s}
      - {record: 'another:metric', expr: 'sum without (i) (own:metric)', labels: {sum: x}}
      - {alert: Sum, expr: 'another:metric > 1', keep_firing_for: 30s}
"""


def histories():
    """Yield series by their label, with a value at each evaluation; the same every time."""
    drawn = random.Random(0)
    for number in NUMBERS:
        runs = [(drawn.randint(1, 5), drawn.choice([1, 0.5, 0, None])) for _ in range(EVALUATIONS)]
        yield number, [[value for length, value in runs for _ in range(length)][:EVALUATIONS]]


def recorded(folder, start_ms, series, interrupt):
    """Return a recorded run of these values, scraped at the evaluations."""
    run = Run(folder)
    with RecordedPrometheus(None, interrupt) as reopened:
        written = [
            remote.series({"__name__": "metric", "rule": number, "i": "0"}) for number in series
        ]
        for recorded_series, (values,) in zip(written, series.values(), strict=True):
            _fill(recorded_series, start_ms, values)
        up = remote.series({"__name__": "up"})
        _fill(up, start_ms, [1] * EVALUATIONS)
        remote.write(reopened.prom.url, [*written, up])
        shutil.move(reopened.folder / "data" / "snapshots" / reopened.prom.snapshot(), run.snapshot)
    start = start_ms / 1000
    run.write(RunDocument(window=Window(start, start + EVALUATIONS * INTERVAL_MS / 1000)))
    return run


def _fill(series, start_ms, values):
    for at, value in enumerate(values):
        if value is not None or (at and values[at - 1] is not None):
            series.samples.add(
                timestamp=start_ms + at * INTERVAL_MS, value=STALE if value is None else value
            )


def checks(environment, groups, start_ms):
    """Yield the checks that promtool is to confirm."""
    for group in groups:
        times = environment.timeline.times_of(group)[0]
        assert times == [start_ms + at * INTERVAL_MS for at in range(EVALUATIONS)]
        for rule in (rule for rule in group.rules if rule.is_alert):
            replay = AlertStateMachine(rule, group.limit)
            for time_ms, vector in zip(
                times, environment.vectors(group, rule, rule.expr), strict=True
            ):
                yield from _of_evaluation(
                    rule, replay.evaluate(time_ms, vector), time_ms - start_ms, start_ms
                )


def _of_evaluation(rule, shown, at_ms, start_ms):
    states = [
        {"labels": in_promql((*labels, ("alertstate", alert.state)), "ALERTS"), "value": 1}
        for labels, alert in shown.items()
    ]
    since = [
        {
            "labels": in_promql(labels, "ALERTS_FOR_STATE"),
            "value": alert.active_since_ms // 1000 - start_ms // 1000,
        }
        for labels, alert in shown.items()
    ]
    for name, samples in (("ALERTS", states), ("ALERTS_FOR_STATE", since)):
        yield {
            "expr": f'{name}{{alertname="{rule.name}"}}',
            "eval_time": f"{at_ms}ms",
            "exp_samples": samples,
        }


def test_prometheus_agrees_on_rules_that_record_for_each_other(tmp_path):
    required_programs.require("promtool")
    start_ms = round(time.time()) // 10 * 10_000 - EVALUATIONS * INTERVAL_MS
    series = dict(histories())
    (tmp_path / "ours.yml").write_text(RULES.replace("MOMENT", f"{start_ms / 1000:.0f}"))
    (tmp_path / "theirs.yml").write_text(RULES.replace("MOMENT", "0"))
    groups = rule_file.read(tmp_path / "ours.yml")
    with (
        Interrupt() as interrupt,
        ReplayEnvironment(
            recorded(tmp_path, start_ms, series, interrupt), groups, 1, None, interrupt
        ) as environment,
    ):
        assert not environment.refused
        listed = list(checks(environment, groups, start_ms))
    code, said = run_cases(tmp_path, rule_file.read(tmp_path / "theirs.yml"), series, listed)
    assert sum(bool(check["exp_samples"]) for check in listed) > 200
    assert code == 0, said[-3000:]
