"""The replay of what promtool cannot play: a start, a reload, missed and failed evaluations.

A real Prometheus evaluates the rules, until everything has happened that the replay is to show. All
samples are written before it starts. No evaluation then comes between a sample and its visibility,
so nothing may differ.
"""

import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import requests

from firedrill.alerts.replay import evaluation_times
from firedrill.alerts.replay.alert_state import UNWRITTEN_AFTER_START, AlertStateMachine
from firedrill.alerts.replay.recording_rules import STALE
from firedrill.alerts.rules import rule_file
from firedrill.contract import LOOPBACK
from firedrill.interrupt import Interrupt
from firedrill.processes import ports
from firedrill.processes.children import Children
from firedrill.prometheus import remote
from firedrill.prometheus.client import Prometheus
from firedrill.prometheus.recorded_data import RecordedPrometheus
from tests import required_programs
from tests.waiting import PATIENCE_SECONDS, poll_until

INTERVAL_MS = 200
CYCLE_MS = 7_000
CYCLES = 40
"""The number of cycles of the series, longer than any test waits."""

CONFIG = f"global: {{evaluation_interval: {INTERVAL_MS}ms}}\nrule_files: [rules/*.yml]\n"
GROUP = """\
  - name: {name}
    limit: {limit}
    rules:
      - record: firedrill:rule_evaluation
        expr: vector(1)
        labels: {{group: {name}, version: "{version}"}}
"""
UNCHANGED = {
    "kept": ('flap{i="a"} == 1', "for: 400ms, keep_firing_for: 600ms"),
    "held": ("flap == 1", "for: 400ms"),
    "always": ("vector(1)", "for: 0s"),
    "limited": ("crowd == 1", "for: 400ms"),
    "failing": ("left * on (k) right", "for: 600ms"),
    "churning": ("version", "for: 400ms, labels: {of: '{{ $labels.v }}'}"),
    "churned": ("sum by (k) (version)", "for: 400ms"),
}
"""Alerts by name, each in a group of its own: the expression, and the other fields."""
FAILS_AT_FIRST = (
    'vector(1) * on () (vector(1) or label_replace(vector(1), "a", "b", "", "") '
    "and on () own:evaluations < 3)"
)
"""An expression whose first two evaluations fail."""
STARTING = f"""\
  - name: starting
    rules:
      - {{record: 'own:evaluations', expr: 'own:evaluations + 1 or vector(1)'}}
      - record: firedrill:rule_evaluation
        expr: vector(1)
        labels: {{group: starting, version: "1"}}
      - {{alert: starting, expr: '{FAILS_AT_FIRST}', for: 200ms}}
"""
BEFORE = {
    "changed": ('sum(steady{i="a"}) == 1', "for: 5m"),
    "hastened": ('steady{i="a"} == 1', "for: 5m"),
}
AFTER = {
    "changed": ('sum(steady{i="b"}) == 1', "for: 1s"),
    "hastened": ('steady{i="a"} >= 1', "for: 1s"),
    "added": ("vector(1)", "for: 400ms"),
}
SERIES = {
    'flap{i="a"}': [
        (0, 1),
        (1_000, 0),
        (1_300, 1),
        (1_900, 0),
        (2_900, 1),
        (4_300, 0),
        (4_600, 1),
        (5_600, 0),
    ],
    'flap{i="b"}': [(900, 1), (1_150, 0), (3_000, 1), (3_900, None)],
    'crowd{i="a"}': [(0, 1), (5_200, 0)],
    'crowd{i="b"}': [(0, 0), (1_000, 1), (1_300, 0), (5_400, 1)],
    'left{k="1"}': [(0, 1)],
    'right{k="1", j="a"}': [(0, 1), (2_300, None), (3_100, 1)],
    'right{k="1", j="b"}': [(300, 1), (700, None), (1_700, 1), (2_100, None)],
    'version{k="1", v="1"}': [(0, 1), (900, None)],
    'version{k="1", v="2"}': [(900, 1), (1_200, None)],
    'version{k="1", v="3"}': [(1_200, 1), (3_300, None), (5_100, 1)],
    'steady{i="a"}': [(0, 1)],
    'steady{i="b"}': [(0, 1), (4_500, 0)],
}
"""The value of each series from a time in the cycle on, in milliseconds; None ends the series."""


def rules(alerts, version):
    groups = ""
    for name, (expr, rest) in alerts.items():
        groups += GROUP.format(name=name, version=version, limit=1 if name == "limited" else 0)
        groups += f"      - {{alert: {name}, expr: '{expr}', {rest}}}\n"
    return f"groups:\n{groups}"


def as_series(selector, steps, start_ms):
    """Return a series with a sample every 50 ms from one step to the next, in every cycle."""
    name, _, labels = selector.rstrip("}").partition("{")
    pairs = dict(pair.split("=") for pair in labels.replace('"', "").split(", "))
    series = remote.series({"__name__": name, **pairs})
    repeated = [
        (cycle * CYCLE_MS + at_ms, value) for cycle in range(CYCLES) for at_ms, value in steps
    ]
    for (from_ms, value), (to_ms, _) in pairwise([*repeated, (CYCLES * CYCLE_MS, None)]):
        for at_ms in range(from_ms, to_ms if value is not None else from_ms + 1, 50):
            series.samples.add(timestamp=start_ms + at_ms, value=STALE if value is None else value)
    return series


@dataclass
class Lived:
    """A Prometheus that evaluated rules, and later what was recorded of it."""

    prom: Prometheus
    start_ms: int
    before: dict
    after: dict
    """Rules by the alert's name, with the limit of their group."""

    def times(self, name, version):
        """Return the evaluation times of a group with this version of its file.

        The last one is left out, because Prometheus may have ended during it.
        """
        times_ms = sorted(
            {
                time_ms
                for _, time_ms, _ in self.raw(
                    f'{evaluation_times.EVALUATION_MARKER}{{group="{name}", version="{version}"}}'
                )
            }
        )
        return times_ms[:-1] if version == self.last_version(name) else times_ms

    def last_version(self, name):
        return 2 if name in AFTER else 1

    def raw(self, selector):
        """Yield (labels, time, value) of every sample."""
        for series in self.prom.raw(selector, self.start_ms / 1000 - 10, time.time()):
            labels = tuple(
                sorted((key, value) for key, value in series.labels.items() if key != "__name__")
            )
            yield from ((labels, round(time * 1000), value) for time, value in series.points)

    def evaluations(self, name):
        """Return (rule, time, vector) of every evaluation."""
        evaluations = []
        for version, loaded in ((1, self.before), (2, self.after)):
            times = self.times(name, version)
            if times:
                vectors = evaluation_times.evaluate(
                    self.prom, loaded[name][0].expr, times, INTERVAL_MS
                )
                evaluations += [
                    (loaded[name][0], *evaluation)
                    for evaluation in zip(times, vectors, strict=True)
                ]
        return evaluations

    def active_ms(self, name):
        """Return for how long an alert has been pending or firing, by its last sample."""
        since = {
            value * 1000: time_ms
            for _, time_ms, value in self.raw(f'ALERTS_FOR_STATE{{alertname="{name}"}}')
        }
        return max((time_ms - began_ms for began_ms, time_ms in since.items()), default=0)

    def has_had(self):
        """Return the events that the replay needs, and whether each has happened."""
        vectors = {name: [vector for _, _, vector in self.evaluations(name)] for name in UNCHANGED}
        times = self.times("always", 1)
        return {
            "an evaluation that failed": None in vectors["failing"],
            "one over the limit": any(len(vector) == 2 for vector in vectors["limited"]),
            "labels that change": len(
                {labels for vector in vectors["churning"] for labels in vector}
            )
            == 3,
            "evaluations that were missed": max((b - a for a, b in pairwise(times)), default=0)
            >= 3 * INTERVAL_MS,
            **{
                f"samples of {name}": len(self.written(name)) > 12
                for name in (*UNCHANGED, "starting", *AFTER)
            },
        }

    def written(self, name):
        """Return (series, labels, time, value) of every sample of an alert."""
        return {
            (series, *sample)
            for series in ("ALERTS", "ALERTS_FOR_STATE")
            for sample in self.raw(f'{series}{{alertname="{name}"}}')
        }


def loaded(folder):
    groups = [group for file in sorted(folder.glob("*.yml")) for group in rule_file.read(file)]
    return {
        rule.name: (rule, group.limit) for group in groups for rule in group.rules if rule.is_alert
    }


@contextmanager
def prometheus(folder):
    """Run a Prometheus that evaluates the folder's rules over its data."""
    port, children = ports.any_free(), Children(folder)
    command = [
        required_programs.require("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--web.enable-remote-write-receiver",
        "--web.enable-lifecycle",
    ]
    prom = Prometheus(f"http://{LOOPBACK}:{port}", timeout_seconds=PATIENCE_SECONDS)
    child = children.start("prometheus", command)
    try:
        poll_until(prom.is_ready, "Prometheus to be ready")
        yield prom, child.process
        child.process.terminate()  # In order: what is in its memory alone would be lost.
        child.process.wait(PATIENCE_SECONDS)
    finally:
        children.stop_all()


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """Run a Prometheus: reload it with a changed and a new group, then stop it for a while."""
    folder = tmp_path_factory.mktemp("lived")
    (folder / "prometheus.yml").write_text(CONFIG)
    (folder / "rules").mkdir()
    with prometheus(folder) as (prom, _):
        start_ms = round(time.time() * 1000)
        remote.write(prom.url, [as_series(name, steps, start_ms) for name, steps in SERIES.items()])
    (folder / "rules" / "unchanged.yml").write_text(rules(UNCHANGED, 1) + STARTING)
    (folder / "rules" / "edited.yml").write_text(rules(BEFORE, 1))
    before = loaded(folder / "rules")
    (folder / "rules" / "edited.yml").write_text(rules(AFTER, 2))
    life = Lived(prom=None, start_ms=start_ms, before=before, after=loaded(folder / "rules"))
    (folder / "rules" / "edited.yml").write_text(rules(BEFORE, 1))
    with prometheus(folder) as (life.prom, process):
        poll_until(
            lambda: min(map(life.active_ms, BEFORE)) > 1_500,
            "the alerts that are edited to be pending for long enough",
        )
        (folder / "rules" / "edited.yml").write_text(rules(AFTER, 2))
        assert requests.post(f"{life.prom.url}/-/reload", timeout=PATIENCE_SECONDS).ok
        poll_until(
            lambda: all(len(life.times(name, 2)) > 3 for name in AFTER),
            "the edited rules to be evaluated",
        )
        process.send_signal(signal.SIGSTOP)
        stopped_at = time.monotonic()
        poll_until(
            lambda: time.monotonic() - stopped_at > 5 * INTERVAL_MS / 1000,
            "some evaluations to be missed",
        )
        process.send_signal(signal.SIGCONT)
        poll_until(
            lambda: all(life.has_had().values()),
            lambda: f"all of {life.has_had()}",
            every_seconds=0.5,
        )
    with Interrupt() as interrupt, RecordedPrometheus(folder / "data", interrupt) as reopened:
        life.prom = reopened.prom
        yield life


def replayed(evaluations, limit, silent):
    """Yield (name, labels, time, value) of the samples of ALERTS and ALERTS_FOR_STATE.

    A reload leaves the state to the rule of the same name.
    """
    replay = AlertStateMachine(evaluations[0][0], limit, silent)
    for rule, time_ms, vector in evaluations:
        replay = replace(replay, rule=rule)
        for labels, alert in (replay.evaluate(time_ms, vector) or {}).items():
            yield "ALERTS", tuple(sorted((*labels, ("alertstate", str(alert.state))))), time_ms, 1
            yield "ALERTS_FOR_STATE", labels, time_ms, alert.active_since_ms // 1000


def possible(lived, name):
    """Yield the evaluations of an alert, and again without the last one before a reload.

    The reload may have cut that evaluation off after its mark.
    """
    evaluations = lived.evaluations(name)
    yield evaluations
    earlier = lived.times(name, 1) if name in BEFORE else []
    if earlier:
        yield [evaluation for evaluation in evaluations if evaluation[1] != earlier[-1]]


@pytest.mark.parametrize("name", [*UNCHANGED, "starting", *AFTER])
def test_every_sample_is_what_prometheus_wrote(lived, name):
    last_ms = lived.evaluations(name)[-1][1]
    theirs = {sample for sample in lived.written(name) if sample[2] <= last_ms}
    silent = 0 if name == "added" else UNWRITTEN_AFTER_START
    ours = [
        set(replayed(evaluations, lived.after[name][1], silent))
        for evaluations in possible(lived, name)
    ]
    assert len(ours[0]) > 6
    if theirs not in ours:
        assert ours[0] == theirs


def test_an_alert_that_fails_at_first_has_failed(lived):
    assert [vector for _, _, vector in lived.evaluations("starting")][:3] == [None, None, {(): 1}]


def test_an_edited_alert_goes_on_as_before(lived):
    """The alert has another expression and another `for`, and keeps the state of the old one."""
    first, *_ = lived.times("hastened", 2)
    firing = {
        time_ms for _, time_ms, _ in lived.raw('ALERTS{alertname="hastened", alertstate="firing"}')
    }
    assert min(firing) == first
