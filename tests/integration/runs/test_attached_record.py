"""A run on an attached Prometheus records its rules, and enough of the time before the load to
replay its alerts.
"""

import time

import pytest

from firedrill.alerts.backtest import attribution_window
from firedrill.alerts.replay import loaded_rules, visibility
from firedrill.alerts.replay.alert_state import AlertStateMachine
from firedrill.alerts.replay.environment import ReplayEnvironment
from firedrill.contract import LOOPBACK
from firedrill.interrupt import Interrupt
from firedrill.processes import ports
from firedrill.processes.children import Children
from firedrill.prometheus import remote
from firedrill.prometheus.client import Prometheus
from firedrill.record.run_folder import Run
from firedrill.stack import saved_rules
from firedrill.stack.containers import attached_stack
from firedrill.stack.containers.attached_stack import AttachedStack, Attachment
from firedrill.stack.plan import Plan, Ports
from tests import required_programs, run_json
from tests.waiting import PATIENCE_SECONDS, poll_until

CONFIG = "global: {evaluation_interval: 200ms}\nrule_files: [rules/*.yml]\n"
RULES = """\
groups:
  - name: g
    limit: 7
    rules:
      - {record: firedrill:rule_evaluation, expr: vector(1), labels: {group: g}}
      - {record: "flap:mean", expr: "avg_over_time(flap[600ms])", labels: {of: "a 'b' ü 🙂"}}
      - {alert: Standing, expr: up == 1, for: 2500ms, annotations: {summary: It stands.}}
      - {alert: Flapping, expr: flap == 1, for: 200ms, keep_firing_for: 400ms}
      - {alert: Mean, expr: "flap:mean > 0.5", labels: {severity: "{{ $labels.of }}"}}
"""
STANDING_MS = 2_500
"""The `for` of the alert that stood before the run."""
LEAST_EVALUATIONS = 25
"""The fewest evaluations that are enough. Those of the first second and a half may depend on the
time before.
"""


def written(start_ms):
    """Write two series ahead of their time; Prometheus then looks a minute old."""
    flap, up, started = (
        remote.series({"__name__": name, "job": "prometheus"})
        for name in ("flap", "up", "process_start_time_seconds")
    )
    for at_ms in range(0, round(PATIENCE_SECONDS * 1000), 50):
        for series, value in ((flap, at_ms // 700 % 2), (up, 1), (started, start_ms / 1000 - 60)):
            series.samples.add(timestamp=start_ms + at_ms, value=value)
    return [flap, up, started]


def evaluations(prom, since_ms):
    """Return the times of the group's evaluations since then, in Unix milliseconds."""
    seen = prom.raw("firedrill:rule_evaluation", since_ms / 1000, time.time())
    return sorted(round(at * 1000) for series in seen for at, _ in series.points)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Record some evaluations of an older Prometheus, as a run that is attached to it does."""
    folder, port = tmp_path_factory.mktemp("lives"), ports.any_free()
    (folder / "prometheus.yml").write_text(CONFIG)
    (folder / "rules").mkdir()
    (folder / "rules" / "mine.yml").write_text(RULES)
    prom = Prometheus(f"http://{LOOPBACK}:{port}")
    children = Children(folder)
    command = [
        required_programs.require("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--web.enable-remote-write-receiver",
    ]
    made = Run(tmp_path_factory.mktemp("run"))
    plan = Plan(made.folder, "id", Ports.choose({}), None, attached_prometheus=prom.url)
    try:
        children.start("prometheus", command)
        poll_until(prom.is_ready, "Prometheus to be ready")
        start_ms = round(time.time() * 1000)
        remote.write(prom.url, written(start_ms))
        lived_ms = time.time() * 1000 + STANDING_MS + 500
        recorded_ms = (
            poll_until(lambda: evaluations(prom, lived_ms), "an evaluation with a life before it")[
                0
            ]
            - 100
        )
        last_ms = poll_until(
            lambda: evaluations(prom, recorded_ms)[LEAST_EVALUATIONS:], "some evaluations"
        )[0]
        # The window ends with the last one whose rules have all been recorded: the next one has
        # begun.
        poll_until(lambda: evaluations(prom, last_ms)[1:], "the next evaluations")
        window = {"start": recorded_ms / 1000, "end": (last_ms + 100) / 1000}
        with (
            Interrupt() as interrupt,
            AttachedStack(plan, interrupt, Attachment(prom.url, prom.url, prom.url)) as stack,
        ):
            stack.start_prometheus()
            stack.load_since = window["start"] + attached_stack.BEFORE_SECONDS
            stack.take_snapshot(made.snapshot)
    finally:
        children.stop_all()
    run_json.write(made, {"window": window, "profile": {}})
    return made


def test_the_rules_are_kept_as_they_were_loaded(run):
    (group,) = loaded_rules.groups(run)
    assert (group.name, group.interval_ms, group.limit) == ("g", 200, 7)
    _, record, standing, flapping, mean = group.rules
    assert (record.name, record.expr, record.labels) == (
        "flap:mean",
        "avg_over_time(flap[600ms])",
        {"of": "a 'b' ü 🙂"},
    )
    assert (standing.hold_ms, standing.annotations) == (2_500, {"summary": "It stands."})
    assert (flapping.hold_ms, flapping.keep_ms, mean.labels) == (
        200,
        400,
        {"severity": "{{ $labels.of }}"},
    )
    assert saved_rules.longest_reach_seconds(run.folder / "prometheus" / "rules") == 2.5
    assert (
        attribution_window.by_alert([group])["Flapping"] == 0.6 + attribution_window.SLACK_SECONDS
    )


def shown(replay, times, vectors):
    for time_ms, vector in zip(times, vectors, strict=True):
        for labels, one in (replay.evaluate(time_ms, vector) or {}).items():
            yield tuple(sorted((*labels, ("alertstate", str(one.state))))), time_ms


def recorded(environment, name):
    for series in environment.prom.raw(
        f'ALERTS{{alertname="{name}"}}',
        environment.span_ms[0] / 1000 - 60,
        environment.span_ms[1] / 1000 + 60,
    ):
        labels = tuple(
            sorted((key, value) for key, value in series.labels.items() if key != "__name__")
        )
        yield from ((labels, round(time_s * 1000)) for time_s, _ in series.points)


def test_a_replay_differs_only_where_it_is_unsure(run):
    groups = loaded_rules.groups(run)
    unsure = {}
    with (
        Interrupt() as interrupt,
        ReplayEnvironment(run, groups, 1, None, interrupt) as environment,
    ):
        (group,) = groups
        times = environment.timeline.recorded_times(group)[:-1]
        assert len(times) > 10
        evaluated = [
            (rule, environment.vectors(group, rule, rule.expr))
            for rule in group.rules
            if rule.is_alert
        ]
        for (rule, vectors), seen in zip(
            evaluated, visibility.observe(environment, group, evaluated, interrupt), strict=True
        ):
            ours = set(
                shown(
                    AlertStateMachine(rule, group.limit, environment.unwritten_evaluations(group)),
                    times,
                    vectors[:-1],
                )
            )
            theirs = {sample for sample in recorded(environment, rule.name) if sample[1] in times}
            assert {time_ms for _, time_ms in ours ^ theirs} <= seen.ambiguous
            unsure[rule.name] = len(seen.ambiguous), bool(ours ^ theirs)
        assert unsure["Standing"][1], "it was pending since before the record"
        assert max(unsure[name][0] for name in ("Flapping", "Mean")) < len(times) - 3
