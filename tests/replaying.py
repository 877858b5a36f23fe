"""Play a drill with many rules, replay them, and compare with what its Prometheus wrote."""

import itertools
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import inf

from firedrill.alerts.replay import visibility
from firedrill.alerts.replay.alert_state import AlertStateMachine
from firedrill.alerts.replay.ambiguity import COMMIT_MS
from firedrill.alerts.replay.environment import ReplayEnvironment
from firedrill.alerts.rules import rule_file
from firedrill.contract import LOOPBACK
from firedrill.interrupt import Interrupt
from tests import firedrill_process
from tests.waiting import PATIENCE_SECONDS

FAULTS = """\
faults:
  - start_time: {sick}s
    for: 16s
    latency: 600ms
    alerts: [ApiLatencyBudgetBurn, ApiLatencyP99High]
  - {{start_time: {sick}s, for: 16s, errors: 90%, alerts: [ApiErrorBudgetFastBurn]}}
  - {{start_time: {sick}s, for: 16s, memory: 12MB/s, alerts: [ApiMemoryGrowing]}}
  - {{start_time: {gone}s, for: 6s, stop: true, alerts: [ApiDown]}}
"""
TIME_SCALE = 36
FAULT_ALERTS = {
    "ApiLatencyBudgetBurn",
    "ApiLatencyP99High",
    "ApiErrorBudgetFastBurn",
    "ApiMemoryGrowing",
    "ApiDown",
}

OWN_GROUP_RULES = """\
groups:
  - name: restless
    rules:
      - {record: firedrill:rule_evaluation, expr: vector(1), labels: {group: restless}}
      - {record: seen, expr: sum by (method) (locust_requests_total)}
      - {alert: Even, expr: seen % 2 == 0}
      - {alert: LowForLong, expr: seen % 8 < 5, for: 2s}
      - {alert: LowAndKept, expr: seen % 8 < 3, for: 1s, keep_firing_for: 2s}
      - {alert: Labelled, expr: seen % 8 < 5, for: 1s, labels: {value: "{{ $labels.method }}"}}
      - {alert: OnTime, expr: absent(seen % 4 == 0), for: 1s}
      - {record: 'own:evaluations', expr: 'own:evaluations + 1 or vector(1)'}
      - {alert: Often, expr: 'own:evaluations > 9'}
"""
"""They read what their own group recorded, which cannot be late, whatever the machine does."""

HEALTHY_ENDPOINT_RULES = """\
  - name: scraped{n}
    rules:
      - {{record: firedrill:rule_evaluation, expr: vector(1), labels: {{group: scraped{n}}}}}
      - {{alert: FewOf{n}, expr: sum by (method) (locust_requests_total) % 8 < 3}}
      - {{alert: FewForLong{n}, expr: sum by (method) (locust_requests_total) % 8 < 5, for: 1s}}
      - alert: FewAndKept{n}
        expr: sum by (method) (locust_requests_total) % 8 < 3
        keep_firing_for: 1s
"""
"""They read a healthy endpoint whose values change at every scrape."""
SCRAPED_GROUPS = 3
"""The middle one of three is judged: all evaluations on the phase of the scrapes are ambiguous."""

GROUPS = 4
"""Each group has a phase of its own, so that no single phase decides what the test sees.

No alert goes on for long: an ambiguous evaluation makes the following ones ambiguous until its
alert has ended.
"""
SLOW_ENDPOINT_RULES = """\
  - name: theirs{n}
    rules:
      - {{record: firedrill:rule_evaluation, expr: vector(1), labels: {{group: theirs{n}}}}}
      - {{alert: Odd{n}, expr: odd == 1}}
      - alert: OddForLong{n}
        expr: odd == 1
        for: 2s
        labels: {{severity: "{{{{ $labels.job }}}}"}}
      - {{alert: OddAndKept{n}, expr: odd == 1, keep_firing_for: 2s}}
      - {{alert: NotSeen{n}, expr: absent(odd)}}
      - {{alert: GoneForLong{n}, expr: absent(odd), for: 3s}}
      - {{alert: Busy{n}, expr: 'rate(asked_total[4s]) > 1.01'}}
      - {{alert: Unreliable{n}, expr: 'avg_over_time(up{{job="extra"}}[4s]) < 0.9', for: 2s}}
      - {{alert: Slow{n}, expr: 'avg_over_time(scrape_duration_seconds{{job="extra"}}[3s]) > 0.5'}}
      - {{alert: Early{n}, expr: 'late{n}:odd == 1'}}
      - {{alert: EarlyWindow{n}, expr: 'avg_over_time(late{n}:odd[3s]) > 0.5', for: 1s}}
      - {{record: 'late{n}:odd', expr: odd}}
      - {{record: 'clash{n}:any', expr: '{{__name__=~"up|odd", job="extra"}}'}}
      - {{alert: Clash{n}, expr: '{{__name__=~"up|odd", job="extra"}} >= 0'}}
      - {{alert: AtEnd{n}, expr: 'max_over_time((odd{{job="extra"}} @ end())[4s:1s]) > 0'}}
"""

SAME_NAME_RULES = """\
groups:
  - name: theirs0
    rules:
      - {record: firedrill:rule_evaluation, expr: vector(1), labels: {group: theirs0, file: too}}
      - {alert: OddToo, expr: odd == 1}
"""
"""A group of the same name in another file, with a phase of its own.

Its records have a label of their own: if two groups wrote one series and the machine stalled,
Prometheus would drop samples that are older than the newest.
"""

SCRAPE_TIMEOUT_SECONDS = 1.0
"""prometheus.yml's."""


def scrape_seconds(number):
    """How long a scrape takes: some hang, the others end at evenly spread times."""
    return SCRAPE_TIMEOUT_SECONDS + 0.2 if number % 17 == 0 else 0.95 * (number * 0.618 % 1)


class SlowEndpoint(ThreadingHTTPServer):
    """A metrics endpoint that is slow, odd for half of the time, and fails every eleventh time.

    A scrape that hangs lasts as long as the interval, so every group has an evaluation during it.
    """

    def __init__(self):
        super().__init__((LOOPBACK, 0), Handler)
        self.scrape_numbers = itertools.count(1)

    def handle_error(self, request, client_address):
        """Ignore that Prometheus gives up a scrape that hangs."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        number = next(self.server.scrape_numbers)
        threading.Event().wait(scrape_seconds(number))
        body = f"odd {number % 12 // 6}\nasked_total {number}\n".encode()
        self.send_response(200 if number % 11 else 503)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Log nothing."""


def slow_endpoint():
    """Serve the endpoint; yields its address."""
    with SlowEndpoint() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{LOOPBACK}:{server.server_port}/metrics"
        server.shutdown()


def drill(folder, address, healthy_seconds):
    """Play a drill that is healthy for some time, then slow and failing, then gone.

    The endpoint at the address is scraped, too.
    """
    texts = {
        "theirs": "groups:\n"
        + "".join(SLOW_ENDPOINT_RULES.format(n=number) for number in range(GROUPS)),
        "theirs-too": SAME_NAME_RULES,
        "restless": OWN_GROUP_RULES,
        "scraped": "groups:\n"
        + "".join(HEALTHY_ENDPOINT_RULES.format(n=number) for number in range(SCRAPED_GROUPS)),
    }
    words = []
    for name, text in texts.items():
        (folder / f"{name}.yml").write_text(text)
        words += ["--rules", folder / f"{name}.yml"]
    file = firedrill_process.write_profile(
        folder, users=20, seconds=healthy_seconds + 26, slo="{p99: 0.25s, errors: 0.3%}"
    )
    file.write_text(
        file.read_text() + FAULTS.format(sick=healthy_seconds, gone=healthy_seconds + 18)
    )
    started = firedrill_process.start(
        folder / "runs",
        file,
        "--threads",
        "8",
        "--time-scale",
        TIME_SCALE,
        "--scrape",
        address,
        *words,
    )
    code, output, errors = started.finish(healthy_seconds + 26 + 5 * PATIENCE_SECONDS)
    assert code in {0, 1, 4}, output + errors
    return started.run()


def rule_files(run):
    """The rule files that the run's Prometheus had loaded."""
    return sorted((run.folder / "prometheus" / "rules").glob("*.yml"))


def samples(name, shown, time_ms):
    for labels, alert in shown.items():
        state = (("alertstate", str(alert.state)),) if name == "ALERTS" else ()
        yield (
            tuple(sorted((*labels, *state))),
            time_ms,
            1 if name == "ALERTS" else alert.active_since_ms // 1000,
        )


def evaluated(environment, group):
    """Each alert of a group, with what its expression gives at its evaluations."""
    return [
        (rule, environment.vectors(group, rule, rule.expr)) for rule in group.rules if rule.is_alert
    ]


def replayed(environment, group, rule, vectors, last_ms):
    """(name, labels, time, value) of every sample that the replay writes."""
    replay = AlertStateMachine(rule, group.limit, environment.unwritten_evaluations(group))
    for time_ms, vector in zip(environment.timeline.times_of(group)[0], vectors, strict=True):
        shown = replay.evaluate(time_ms, vector) or {} if time_ms <= last_ms else {}
        for name in ("ALERTS", "ALERTS_FOR_STATE"):
            yield from ((name, *sample) for sample in samples(name, shown, time_ms))


def written(environment, rule, last_ms):
    """(name, labels, time, value) of every sample that Prometheus wrote."""
    for name in ("ALERTS", "ALERTS_FOR_STATE"):
        severity = rule.labels.get("severity", "")
        chosen = f', severity="{severity}"' if "{{" not in severity else ""
        start, end = environment.span_ms
        for series in environment.prom.raw(
            f'{name}{{alertname="{rule.name}"{chosen}}}', start / 1000 - 60, end / 1000 + 5
        ):
            labels = tuple(
                sorted((key, value) for key, value in series.labels.items() if key != "__name__")
            )
            yield from (
                (name, labels, round(time * 1000), value)
                for time, value in series.points
                if round(time * 1000) <= last_ms
            )


@dataclass
class Comparison:
    """The samples that a replay of some rule files writes, and those that Prometheus wrote."""

    replayed: set = field(default_factory=set)
    by_time_stamps: set = field(default_factory=set)
    """The samples of a replay that goes by time stamps alone."""
    written: set = field(default_factory=set)
    marked: list = field(default_factory=list)
    """(name of the alert, time) of each evaluation that is marked ambiguous."""
    evaluations: dict = field(default_factory=dict)
    """The evaluations of each alert that did not fail."""
    stalled: set = field(default_factory=set)
    """The marked evaluations that are ambiguous because the machine stalled."""

    @property
    def unmarked_differences(self):
        """The samples that differ although their evaluation is not marked."""
        marked = set(self.marked)
        return [
            sample
            for sample in self.replayed ^ self.written
            if evaluation_of(sample) not in marked and not self._differs_in_its_beginning(sample)
        ]

    def _differs_in_its_beginning(self, sample):
        """Whether both wrote the alert, and it has a mark from one begin to the other.

        Two histories of one alert that agree at every evaluation in between begin alike.
        """
        both = [
            {other for other in side if other[:3] == sample[:3]}
            for side in (self.replayed, self.written)
        ]
        if sample[0] != "ALERTS_FOR_STATE" or not all(both):
            return False
        begins = sorted(int(other[3]) for side in both for other in side)
        name, _ = evaluation_of(sample)
        return any(
            alert == name and begins[0] <= time_ms // 1000 <= begins[-1]
            for alert, time_ms in self.marked
        )

    def differences_without_stalls(self, before_ms=inf):
        """The samples before a time that differ although the machine did not stall."""
        return [
            sample
            for sample in self.replayed ^ self.written
            if sample[2] < before_ms
            and evaluation_of(sample) not in self.stalled
            and not self._differs_in_its_beginning(sample)
        ]

    def __str__(self):
        different = len(self.replayed ^ self.written)
        return (
            f"{len(self.replayed | self.written)} samples, {different} different,"
            f" {len(self.unmarked_differences)} of them unmarked;"
            f" {len(self.by_time_stamps ^ self.written)} different by time stamps;"
            f" {len(self.marked)} of {sum(self.evaluations.values())} evaluations ambiguous"
        )

    def ambiguous_shares(self, without=frozenset(), as_one=str, least=1):
        """The share of ambiguous evaluations of each alert, without some; also printed.

        Alerts whose names `as_one` makes equal count as one; those with fewer evaluations than
        `least` are left out.
        """
        left, marked = Counter(), Counter()
        for name, number in self.evaluations.items():
            left[as_one(name)] += number
        left.subtract(as_one(name) for name, _ in without)
        marked.update(
            as_one(name)
            for name, time_ms in self.marked
            if self.evaluations[name] and (name, time_ms) not in without
        )
        shares = {name: marked[name] / max(1, left[name]) for name in sorted(left)}
        print("ambiguous:", ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
        return {name: share for name, share in shares.items() if left[name] >= least}


def evaluation_of(sample):
    """(name of the alert, time) of a sample."""
    return dict(sample[1])["alertname"], sample[2]


MAX_CALM_MS = 20
"""An evaluation or a scrape of a healthy target that takes longer was delayed by a stall."""


def stalled(environment, group, rule):
    """The evaluations of a rule that a stall delayed, or that come after a missed one."""
    times, interval_ms = environment.timeline.times_of(group)
    timings = environment.timeline.timings_of(rule, group)
    for before_ms, time_ms, lag in zip(
        [times[0], *times], times, environment.timeline.lags_ms(group), strict=False
    ):
        waits = [
            scrape.readable_by_ms - scrape.begun_ms - COMMIT_MS
            for timing in timings
            for scrape in timing.in_progress(time_ms)
        ]
        if max(lag.likely, *waits, 0) > MAX_CALM_MS or time_ms - before_ms > 1.5 * interval_ms:
            yield time_ms


def due_to_stalls(marked, stalls, times):
    """The marked evaluations at a stall, and those right after that are ambiguous because of it."""
    is_due = False
    for time_ms in times:
        is_due = time_ms in marked and (is_due or time_ms in stalls)
        if is_due:
            yield time_ms


def compare(run, files):
    """Compare a replay of rules that a run had loaded with what Prometheus wrote in the run."""
    comparison = Comparison()
    groups = [group for file in files for group in rule_file.read(file)]
    with (
        Interrupt() as interrupt,
        ReplayEnvironment(run, groups, 1, None, interrupt) as environment,
    ):
        for group in groups:
            assert environment.timeline.recorded_times(group), (
                f"{group.name} left no trace of its evaluations"
            )
            # The snapshot may have been taken during the last evaluation.
            last_ms = environment.timeline.times_of(group)[0][-2]
            rules = evaluated(environment, group)
            for (rule, vectors), seen in zip(
                rules, visibility.observe(environment, group, rules, interrupt), strict=True
            ):
                comparison.replayed |= set(
                    replayed(environment, group, rule, seen.vectors, last_ms)
                )
                comparison.by_time_stamps |= set(
                    replayed(environment, group, rule, vectors, last_ms)
                )
                comparison.written |= set(written(environment, rule, last_ms))
                comparison.marked += [(rule.name, time_ms) for time_ms in seen.ambiguous]
                stalled_times = due_to_stalls(
                    seen.ambiguous,
                    set(stalled(environment, group, rule)),
                    environment.timeline.times_of(group)[0],
                )
                comparison.stalled |= {(rule.name, time_ms) for time_ms in stalled_times}
                comparison.evaluations[rule.name] = comparison.evaluations.get(rule.name, 0) + sum(
                    vector is not None for vector in vectors
                )
    print(comparison)
    return comparison


def rule_files_named(run, *names):
    """The loaded rule files of these names; a user's own are copied under a longer name."""
    return [file for file in rule_files(run) if any(name in file.stem for name in names)]
