"""A replay marks every evaluation that a scrape in progress can change.

Every evaluation comes as scrapes end. For each choice of scrapes that an evaluation may have missed
(a world), the samples that it saw are stored as series of their own, with a label for the world.
Each expression can then be evaluated in each world.
"""

import random
import shutil
import time
from dataclasses import dataclass
from itertools import chain, combinations

import pytest

from firedrill.alerts.replay import evaluation_times, visibility
from firedrill.alerts.replay.alert_state import AlertStateMachine
from firedrill.alerts.replay.ambiguity import COMMIT_MS
from firedrill.alerts.replay.environment import ReplayEnvironment
from firedrill.alerts.replay.evaluation_times import EVALUATION_MARKER
from firedrill.alerts.replay.timeline import UNKNOWN_LAG_MS
from firedrill.alerts.rules import rule_file
from firedrill.interrupt import Interrupt
from firedrill.prometheus import remote
from firedrill.prometheus.recorded_data import RecordedPrometheus
from firedrill.record.figures import Window
from firedrill.record.run_document import RunDocument
from firedrill.record.run_folder import Run
from tests import required_programs

SECONDS, INSTANCES, AFTER_MS = 20, ("a", "b", "c"), 15
TOOK_MS = (2, 5, 9, 40, 300, 999)
LIVES = 100
RULES = """\
groups:
  - name: amid
    interval: 1s
    rules:
      - {{record: '{mark}', expr: vector(1), labels: {{group: amid}}}}
      - {{alert: Gauge, expr: 'g{{WORLD}} > 0.5', for: 2s}}
      - {{alert: Kept, expr: 'avg_over_time(g{{WORLD}}[3s]) > 0.7', keep_firing_for: 2s}}
      - {{alert: Rate, expr: 'rate(c_total{{WORLD}}[4s]) > 11', for: 1s}}
      - {{alert: Sum, expr: 'sum(g{{WORLD}}) > 1.7 # of all instances', for: 1s}}
      - {{alert: Few, expr: 'count(g{{WORLD}} > 0.5) < 2'}}
      - {{alert: Absent, expr: 'absent(g{{WORLD, instance="a"}} > 0.5)'}}
      - alert: Fails
        expr: 'g{{WORLD, instance="a"}} * on (job) (g{{WORLD}} > 0.5) > 0'
        for: 1s
      - {{alert: Scalar, expr: 'scalar(sum(g{{WORLD}})) > bool 1.7'}}
      - {{alert: Quiet, expr: 'sum(g{{WORLD}}) > 9'}}
"""


@dataclass(frozen=True)
class Scrape:
    """A scrape of one instance; times in milliseconds."""

    instance: str
    begun: int
    took: int
    gauge: float
    counter: float

    def is_open_at(self, time_ms):
        return self.begun <= time_ms < self.begun + self.took + COMMIT_MS


EXPORTED = {
    "up": lambda _: 1,
    "scrape_duration_seconds": lambda scrape: scrape.took / 1000,
    "g": lambda scrape: scrape.gauge,
    "c_total": lambda scrape: scrape.counter,
}


def drawn(start_ms):
    """Generate scrapes that begin at the same times and end before the next ones."""
    generator = random.Random(5)
    for instance in INSTANCES:
        counter = 0
        for second in range(SECONDS):
            counter += generator.choice((8, 12))
            yield Scrape(
                instance=instance,
                begun=start_ms + second * 1000,
                took=generator.choice(TOOK_MS),
                gauge=generator.choice((0.2, 0.6, 1)),
                counter=counter,
            )


def as_series(scrapes, **labels):
    """Yield the series of these scrapes: their samples, and Prometheus's own about them."""
    for instance in INSTANCES:
        series = {
            name: remote.series({"__name__": name, "job": "made", "instance": instance, **labels})
            for name in EXPORTED
        }
        for scrape in (scrape for scrape in scrapes if scrape.instance == instance):
            for name, value in EXPORTED.items():
                series[name].samples.add(timestamp=scrape.begun, value=value(scrape))
        yield from series.values()


def recorded(folder, scrapes, times, interrupt):
    """Return a recorded run of these scrapes, evaluated at these times."""
    run = Run(folder)
    mark = remote.series({"__name__": EVALUATION_MARKER, "group": "amid"})
    for time_ms in times:
        mark.samples.add(timestamp=time_ms, value=1)
    with RecordedPrometheus(None, interrupt) as reopened:
        remote.write(reopened.prom.url, [mark, *as_series(scrapes)])
        shutil.move(reopened.folder / "data" / "snapshots" / reopened.prom.snapshot(), run.snapshot)
    (folder / "prometheus" / "rules").mkdir(parents=True)
    (folder / "prometheus" / "rules" / "amid.yml").write_text(rules('job="made"'))
    run.write(RunDocument(window=Window(times[0] / 1000, times[-1] / 1000)))
    return run


def rules(world):
    return RULES.format(mark=EVALUATION_MARKER).replace("WORLD", world)


def some_of(listed):
    return chain.from_iterable(combinations(listed, number) for number in range(len(listed) + 1))


class PossibleHistories:
    """The value of every expression at every evaluation, in every world."""

    def __init__(self, prom, scrapes, times):
        self._prom = prom
        self.open = {
            time_ms: [scrape for scrape in scrapes if scrape.is_open_at(time_ms)]
            for time_ms in times
        }
        self._names, self._known = {}, {}
        for time_ms, under_way in self.open.items():
            for missed in some_of(under_way):
                name = self._names[time_ms, frozenset(missed)] = f"w{len(self._names)}"
                visible = [
                    scrape for scrape in scrapes if scrape.begun <= time_ms and scrape not in missed
                ]
                remote.write(prom.url, as_series(visible, world=name))

    def vector(self, expr, time_ms, missed):
        name = self._names[time_ms, frozenset(missed)]
        if (expr, name) not in self._known:
            vector = evaluation_times.evaluate_at(
                self._prom, expr.replace('job="made"', f'world="{name}"'), time_ms
            )
            self._known[expr, name] = vector and {
                without_world(labels): value for labels, value in vector.items()
            }
        return self._known[expr, name]

    def life(self, seed):
        """Yield the scrapes that each evaluation missed, within what durations and lags allow."""
        generator = random.Random(seed)
        late = {
            scrape: generator.uniform(0, COMMIT_MS) for scrape in set(chain(*self.open.values()))
        }
        for time_ms, under_way in self.open.items():
            read = time_ms + generator.choice((0, 5, 20, UNKNOWN_LAG_MS)) * generator.random()
            yield (
                time_ms,
                [
                    scrape
                    for scrape in under_way
                    if scrape.begun + scrape.took + late[scrape] > read
                ],
            )


def without_world(labels):
    return tuple(pair for pair in labels if pair[0] != "world")


def states(replay, evaluations):
    """The state of each alert by time; a begin that differs alone is marked only once."""
    return {
        time_ms: {
            labels: alert.state
            for labels, alert in (replay.evaluate(time_ms, vector) or {}).items()
        }
        for time_ms, vector in evaluations
    }


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """Return (worlds, times, [(rule, visibility, a fresh replay)])."""
    required_programs.require("prometheus")
    start_ms = (round(time.time()) - SECONDS - 10) * 1000
    scrapes = list(drawn(start_ms))
    times = [start_ms + second * 1000 + AFTER_MS for second in range(SECONDS)]
    with Interrupt() as interrupt, RecordedPrometheus(None, interrupt) as reopened:
        run = recorded(tmp_path_factory.mktemp("amid"), scrapes, times, interrupt)
        (group,) = rule_file.read(run.folder / "prometheus" / "rules" / "amid.yml")
        alerts = [rule for rule in group.rules if rule.is_alert]
        with ReplayEnvironment(run, [group], 1, None, interrupt) as environment:
            assert environment.timeline.times_of(group) == (times, 1000)
            seen = visibility.observe(
                environment,
                group,
                [(rule, environment.vectors(group, rule, rule.expr)) for rule in alerts],
                interrupt,
            )
            silence = environment.unwritten_evaluations(group)
        yield (
            PossibleHistories(reopened.prom, scrapes, times),
            times,
            [
                (rule, rule_seen, AlertStateMachine(rule, 0, silence))
                for rule, rule_seen in zip(alerts, seen, strict=True)
            ],
        )


def test_every_evaluation_comes_amid_a_scrape(lived):
    worlds, *_ = lived
    assert all(worlds.open.values())


def test_possible_lives_differ_only_where_marked(lived):
    worlds, times, rules_seen = lived
    for rule, seen, replay in rules_seen:
        likely = states(replay.fork(), zip(times, seen.vectors, strict=True))
        for seed in range(LIVES):
            life = states(
                replay.fork(),
                ((at, worlds.vector(rule.expr, at, missed)) for at, missed in worlds.life(seed)),
            )
            assert {
                time_ms for time_ms in times if life[time_ms] != likely[time_ms]
            } <= seen.ambiguous, (rule.name, seed)


def test_nothing_is_marked_before_it_can_matter(lived):
    worlds, times, rules_seen = lived
    marked = {rule.name: seen.ambiguous for rule, seen, _ in rules_seen}
    for rule, _, _ in rules_seen:
        matters = [
            at
            for at in times
            if len({str(worlds.vector(rule.expr, at, some)) for some in some_of(worlds.open[at])})
            > 1
        ]
        assert min(marked[rule.name], default=times[-1]) >= min(matters, default=times[-1])
    assert not marked["Quiet"]
    assert 0 < len(marked["Few"]) < SECONDS
