"""The replay of what promtool cannot be asked, against a Prometheus that lived: its start, a reload, missed and failed evaluations.

Samples are written ahead of their time, so that no evaluation comes between a sample and its being readable: nothing may differ.
"""

import signal
import time
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import requests

from firedrill.alerts import grid, rulefile
from firedrill.alerts.bench import STALE
from firedrill.alerts.replay import SILENT_AFTER_START, Replay
from firedrill.contract import LOOPBACK
from firedrill.prom import Prometheus
from firedrill.stack import ports, remote
from firedrill.stack.processes import Children
from tests import needs
from tests.waiting import poll_until

INTERVAL_MS = 200
RELOADED_AFTER_MS = 2_500
STOPPED_MS = (4_000, 5_000)
LASTED_MS = 6_500
AHEAD_MS = 500
"""Long enough to write all samples before the first of them is due, and an evaluation."""

CONFIG = f"global: {{evaluation_interval: {INTERVAL_MS}ms}}\nrule_files: [rules/*.yml]\n"
GROUP = """\
  - name: {name}
    limit: {limit}
    rules:
      - {{record: firedrill:rule_evaluation, expr: vector(1), labels: {{group: {name}, version: "{version}"}}}}
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
"""Alerts by name, each in a group of its own; its expression and the rest."""
STARTING = 'vector(1) * on () (vector(1) or label_replace(vector(1), "a", "b", "", "") and on () vector(time()) < {seconds})'
"""Fails until then."""
BEFORE = {"changed": ('sum(steady{i="a"}) == 1', "for: 10s")}
AFTER = {"changed": ('sum(steady{i="b"}) == 1', "for: 1s"), "added": ("vector(1)", "for: 400ms")}
SERIES = {
    'flap{i="a"}': [(0, 1), (1_000, 0), (1_300, 1), (1_900, 0), (2_900, 1), (4_300, 0), (4_600, 1), (5_600, 0)],
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
"""Milliseconds after the start, and what each series is from then on; None: it ends."""


def rules(alerts, version):
    groups = ""
    for name, (expr, rest) in alerts.items():
        groups += GROUP.format(name=name, version=version, limit=1 if name == "limited" else 0)
        groups += f"      - {{alert: {name}, expr: '{expr}', {rest}}}\n"
    return f"groups:\n{groups}"


def as_series(selector, steps, start_ms):
    """A sample every 50 ms from one step to the next."""
    name, _, labels = selector.rstrip("}").partition("{")
    pairs = dict(pair.split("=") for pair in labels.replace('"', "").split(", "))
    one = remote.series({"__name__": name, **pairs})
    for (from_ms, value), (to_ms, _) in zip(steps, [*steps[1:], (LASTED_MS + 2_000, None)], strict=True):
        for at_ms in range(from_ms, to_ms if value is not None else from_ms + 1, 50):
            one.samples.add(timestamp=start_ms + at_ms, value=STALE if value is None else value)
    return one


@dataclass
class Lived:
    """A Prometheus after its life."""

    prom: Prometheus
    start_ms: int
    before: dict
    after: dict
    """Rules by the alert's name, with their group's limit."""

    def times(self, name, version):
        """When a group was evaluated while its file had this version."""
        found = self.raw(f'{grid.MARK}{{group="{name}", version="{version}"}}')
        return sorted({time_ms for _, time_ms, _ in found})

    def raw(self, selector):
        """(labels, time, value) of every sample."""
        start, end = self.start_ms / 1000 - 10, (self.start_ms + LASTED_MS) / 1000
        for series in self.prom.raw(selector, start, end):
            labels = tuple(sorted((key, value) for key, value in series.labels.items() if key != "__name__"))
            yield from ((labels, round(time * 1000), value) for time, value in series.points)

    def evaluations(self, name):
        """(rule, time, what its expression gave) of every evaluation."""
        found = []
        for version, loaded in ((1, self.before), (2, self.after)):
            times = self.times(name, version)
            if times:
                vectors = grid.evaluate(self.prom, loaded[name][0].expr, times, INTERVAL_MS)
                found += [(loaded[name][0], *one) for one in zip(times, vectors, strict=True)]
        return found


def loaded(folder):
    groups = [group for file in sorted(folder.glob("*.yml")) for group in rulefile.read(file)]
    return {rule.name: (rule, group.limit) for group in groups for rule in group.rules if rule.is_alert}


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """Seven seconds of a Prometheus: reloaded with one group changed and one added, then stopped for a second."""
    folder, port = tmp_path_factory.mktemp("lived"), ports.any_free()
    (folder / "prometheus.yml").write_text(CONFIG)
    (folder / "rules").mkdir()
    starting = {"starting": (STARTING.format(seconds=time.time() + 1.5), "for: 200ms")}
    (folder / "rules" / "unchanged.yml").write_text(rules(UNCHANGED | starting, 1))
    (folder / "rules" / "edited.yml").write_text(rules(BEFORE, 1))
    prom = Prometheus(f"http://{LOOPBACK}:{port}")
    children = Children(folder)
    command = [
        needs.program("prometheus"), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}", "--web.enable-remote-write-receiver", "--web.enable-lifecycle",
    ]  # fmt: skip
    try:
        child = children.start("prometheus", command)
        poll_until(prom.is_ready, "Prometheus to be ready", 20)
        start_ms = round(time.time() * 1000) + AHEAD_MS
        remote.write(prom.url, [as_series(name, steps, start_ms) for name, steps in SERIES.items()])
        before = loaded(folder / "rules")

        def wait(at_ms):
            poll_until(lambda: time.time() * 1000 >= start_ms + at_ms, f"{at_ms} ms to pass", 20)

        wait(RELOADED_AFTER_MS)
        (folder / "rules" / "edited.yml").write_text(rules(AFTER, 2))
        assert requests.post(f"{prom.url}/-/reload", timeout=5).ok
        wait(STOPPED_MS[0])
        child.process.send_signal(signal.SIGSTOP)
        wait(STOPPED_MS[1])
        child.process.send_signal(signal.SIGCONT)
        wait(LASTED_MS + AHEAD_MS)
        yield Lived(prom, start_ms, before, loaded(folder / "rules"))
    finally:
        children.stop_all()


def replayed(name, lived, silent):
    """Samples of ALERTS and of ALERTS_FOR_STATE as (name, labels, time, value); a reload leaves state to the rule of the same name."""
    evaluations = lived.evaluations(name)
    replay = Replay(evaluations[0][0], lived.after[name][1], silent)
    for rule, time_ms, vector in evaluations:
        replay = replace(replay, rule=rule)
        for labels, one in (replay.evaluate(time_ms, vector) or {}).items():
            yield "ALERTS", tuple(sorted((*labels, ("alertstate", str(one.state))))), time_ms, 1
            yield "ALERTS_FOR_STATE", labels, time_ms, one.active_since_ms // 1000


@pytest.mark.parametrize("name", [*UNCHANGED, "starting", *AFTER])
def test_every_sample_is_what_prometheus_wrote(lived, name):
    ours = set(replayed(name, lived, 0 if name == "added" else SILENT_AFTER_START))
    theirs = {(series, *sample) for series in ("ALERTS", "ALERTS_FOR_STATE") for sample in lived.raw(f'{series}{{alertname="{name}"}}')}
    assert len(ours) > 6
    assert ours == theirs


def test_the_life_had_what_it_is_to_prove(lived):
    """Evaluations that failed, that were missed, and one limit that was exceeded; a start, a reload, and labels that change."""
    vectors = {name: [vector for _, _, vector in lived.evaluations(name)] for name in UNCHANGED}
    assert None in vectors["failing"]
    assert [vector for _, _, vector in lived.evaluations("starting")][:2] == [None, None]
    assert any(len(vector) == 2 for vector in vectors["limited"])
    assert len({labels for vector in vectors["churning"] for labels in vector}) == 3
    times = [time_ms for _, time_ms, _ in lived.evaluations("always")]
    assert max(later - earlier for earlier, later in pairwise(times)) >= 3 * INTERVAL_MS
    first, *_ = lived.times("changed", 2)
    firing = {time_ms for _, time_ms, _ in lived.raw('ALERTS{alertname="changed", alertstate="firing"}')}
    assert first - INTERVAL_MS not in firing
    assert first in firing, "another expression, and the edited rule went on with what the old one had begun"
