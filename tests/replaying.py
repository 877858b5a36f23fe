"""A drill whose own rules are replayed, and the comparison of the replay with what its Prometheus wrote."""

import itertools
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import inf

from firedrill.alerts.replay import visibility
from firedrill.alerts.replay.alert_state import Replay
from firedrill.alerts.replay.ambiguity import COMMIT_MS
from firedrill.alerts.replay.environment import Bench
from firedrill.alerts.rules import rule_file
from firedrill.contract import LOOPBACK
from firedrill.interrupt import Interrupt
from tests import firedrill_process
from tests.waiting import PATIENCE_SECONDS

FAULTS = """\
faults:
  - {{start_time: {sick}s, for: 16s, latency: 600ms, alerts: [ApiLatencyBudgetBurn, ApiLatencyP99High]}}
  - {{start_time: {sick}s, for: 16s, errors: 90%, alerts: [ApiErrorBudgetFastBurn]}}
  - {{start_time: {sick}s, for: 16s, memory: 12MB/s, alerts: [ApiMemoryGrowing]}}
  - {{start_time: {gone}s, for: 6s, stop: true, alerts: [ApiDown]}}
"""
SCALE = 36
NAMED = {
    "ApiLatencyBudgetBurn",
    "ApiLatencyP99High",
    "ApiErrorBudgetFastBurn",
    "ApiMemoryGrowing",
    "ApiDown",
}

RESTLESS = """\
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
"""What they read is what their own group saw: nothing of it can be late, whatever the machine does."""

SCRAPED = """\
  - name: scraped{n}
    rules:
      - {{record: firedrill:rule_evaluation, expr: vector(1), labels: {{group: scraped{n}}}}}
      - {{alert: FewOf{n}, expr: sum by (method) (locust_requests_total) % 8 < 3}}
      - {{alert: FewForLong{n}, expr: sum by (method) (locust_requests_total) % 8 < 5, for: 1s}}
      - {{alert: FewAndKept{n}, expr: sum by (method) (locust_requests_total) % 8 < 3, keep_firing_for: 1s}}
"""
"""What they read is scraped from a page that is well all the time, and another at every scrape."""
SCRAPED_GROUPS = 3
"""A group whose phase is that of the scrapes has all of its evaluations open. Of three the middle one is held to the bound."""

GROUPS = 4
"""Each is evaluated at a phase of its own, so that no phase decides what the test sees. No alert goes on for long: what one evaluation
leaves open is open until its alert has ended."""
RULES = """\
  - name: theirs{n}
    rules:
      - {{record: firedrill:rule_evaluation, expr: vector(1), labels: {{group: theirs{n}}}}}
      - {{alert: Odd{n}, expr: odd == 1}}
      - {{alert: OddForLong{n}, expr: odd == 1, for: 2s, labels: {{severity: "{{{{ $labels.job }}}}"}}}}
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

NAMESAKE = """\
groups:
  - name: theirs0
    rules:
      - {record: firedrill:rule_evaluation, expr: vector(1), labels: {group: theirs0, file: too}}
      - {alert: OddToo, expr: odd == 1}
"""
"""A group of the same name in another file has a phase of its own. What it records has a label of its own: two groups that write one series
would lose what the later one of them writes of an earlier time, when the machine stalls."""

SCRAPE_TIMEOUT_SECONDS = 1.0
"""prometheus.yml's."""


def patience_seconds(number):
    """How long a scrape takes: some hang, the others end at every time alike, so that none suits the phase of a group."""
    return SCRAPE_TIMEOUT_SECONDS + 0.2 if number % 17 == 0 else 0.95 * (number * 0.618 % 1)


class Page(ThreadingHTTPServer):
    """A metrics endpoint that is odd for half of the time, and slow, and fails every eleventh time.

    A scrape that hangs lasts as long as the interval, so an evaluation falls into it whatever the phase.
    """

    def __init__(self):
        super().__init__((LOOPBACK, 0), Handler)
        self.asked = itertools.count(1)

    def handle_error(self, request, client_address):
        """Prometheus that goes away from a page that hangs is no news."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        number = next(self.server.asked)
        threading.Event().wait(patience_seconds(number))
        body = f"odd {number % 12 // 6}\nasked_total {number}\n".encode()
        self.send_response(200 if number % 11 else 503)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""


def page():
    """Serve it; its address."""
    with Page() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{LOOPBACK}:{server.server_port}/metrics"
        server.shutdown()


def drill(folder, address, healthy_seconds):
    """A drill: healthy for that long, then slow and failing, then gone. The page at the address is scraped with it."""
    texts = {
        "theirs": "groups:\n" + "".join(RULES.format(n=number) for number in range(GROUPS)),
        "theirs-too": NAMESAKE,
        "restless": RESTLESS,
        "scraped": "groups:\n"
        + "".join(SCRAPED.format(n=number) for number in range(SCRAPED_GROUPS)),
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
        folder / "runs", file, "--threads", "8", "--time-scale", SCALE, "--scrape", address, *words
    )
    code, output, errors = started.finish(healthy_seconds + 26 + 5 * PATIENCE_SECONDS)
    assert code in {0, 1, 4}, output + errors
    return started.run()


def loaded(run):
    """The rule files that the run's Prometheus had loaded."""
    return sorted((run.folder / "prometheus" / "rules").glob("*.yml"))


def samples(name, shown, time_ms):
    for labels, one in shown.items():
        state = (("alertstate", str(one.state)),) if name == "ALERTS" else ()
        yield (
            tuple(sorted((*labels, *state))),
            time_ms,
            1 if name == "ALERTS" else one.active_since_ms // 1000,
        )


def evaluated(bench, group):
    """Each alert of a group, with what its expression gives at its evaluations."""
    return [(rule, bench.vectors(group, rule, rule.expr)) for rule in group.rules if rule.is_alert]


def replayed(bench, group, rule, vectors, last_ms):
    """(name, labels, time, value) of every sample that the replay says was written."""
    replay = Replay(rule, group.limit, bench.silence_of(group))
    for time_ms, vector in zip(bench.timeline.times_of(group)[0], vectors, strict=True):
        shown = replay.evaluate(time_ms, vector) or {} if time_ms <= last_ms else {}
        for name in ("ALERTS", "ALERTS_FOR_STATE"):
            yield from ((name, *sample) for sample in samples(name, shown, time_ms))


def written(bench, rule, last_ms):
    """The same as Prometheus wrote it."""
    for name in ("ALERTS", "ALERTS_FOR_STATE"):
        severity = rule.labels.get("severity", "")
        chosen = f', severity="{severity}"' if "{{" not in severity else ""
        start, end = bench.span_ms
        for series in bench.prom.raw(
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
    """Samples of what the replay of some rule files says was written, and of what was."""

    ours: set = field(default_factory=set)
    naive: set = field(default_factory=set)
    """Ours, were samples taken by their time stamps."""
    theirs: set = field(default_factory=set)
    unsure: list = field(default_factory=list)
    """(name of the alert, time) of each evaluation that was marked."""
    evaluations: dict = field(default_factory=dict)
    """How many of each alert did not fail."""
    excused: set = field(default_factory=set)
    """Those of the marked that a stall of this machine left open, or of a page that is to be well."""

    @property
    def not_foretold(self):
        """What differs for no reason."""
        marked = set(self.unsure)
        return [sample for sample in self.ours ^ self.theirs if evaluation_of(sample) not in marked]

    def not_excused(self, before_ms=inf):
        """What differs until then where this machine did what it was told."""
        return [
            sample
            for sample in self.ours ^ self.theirs
            if sample[2] < before_ms and evaluation_of(sample) not in self.excused
        ]

    def __str__(self):
        return (
            f"{len(self.ours | self.theirs)} samples, {len(self.ours ^ self.theirs)} different, {len(self.not_foretold)} of them not"
            f" foretold; by time stamps {len(self.naive ^ self.theirs)} were; {len(self.unsure)} evaluations of"
            f" {sum(self.evaluations.values())} ambiguous"
        )

    def ambiguous(self, excused=frozenset(), as_one=str, least=1):
        """Share of the evaluations of each alert, printed, without those that are excused; of those with the least of evaluations.

        Alerts of the names that `as_one` makes of theirs count as one.
        """
        left, marked = Counter(), Counter()
        for name, number in self.evaluations.items():
            left[as_one(name)] += number
        left.subtract(as_one(name) for name, _ in excused)
        marked.update(
            as_one(name)
            for name, time_ms in self.unsure
            if self.evaluations[name] and (name, time_ms) not in excused
        )
        shares = {name: marked[name] / max(1, left[name]) for name in sorted(left)}
        print("ambiguous:", ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
        return {name: share for name, share in shares.items() if left[name] >= least}


def evaluation_of(sample):
    """(name of the alert, time)."""
    return dict(sample[1])["alertname"], sample[2]


CALM_MS = 20
"""An evaluation or a scrape that takes longer than this on a healthy target was kept waiting by this machine."""


def stalled(bench, group, rule):
    """Evaluations of a rule that this machine kept waiting, or that come after one that it missed, by what Prometheus recorded."""
    times, interval_ms = bench.timeline.times_of(group)
    late = bench.timeline.late(rule, group)
    for before_ms, time_ms, lag in zip(
        [times[0], *times], times, bench.timeline.lags_ms(group), strict=False
    ):
        waits = [
            done.latest_ms - done.begun_ms - COMMIT_MS for one in late for done in one.done(time_ms)
        ]
        if max(lag.likely, *waits, 0) > CALM_MS or time_ms - before_ms > 1.5 * interval_ms:
            yield time_ms


def excused(unsure, stalls, times):
    """Marked evaluations at a stall, and those right after it that are open because of it."""
    was_excused = False
    for time_ms in times:
        was_excused = time_ms in unsure and (was_excused or time_ms in stalls)
        if was_excused:
            yield time_ms


def compare(run, files):
    """The replay of rules that a run loaded, and what was written in it."""
    found = Comparison()
    groups = [group for file in files for group in rule_file.read(file)]
    with Interrupt() as interrupt, Bench(run, groups, 1, None, interrupt) as bench:
        for group in groups:
            assert bench.timeline.recorded_times(group), (
                f"{group.name} left no trace of its evaluations"
            )
            last_ms = bench.timeline.times_of(group)[0][
                -2
            ]  # The snapshot may have been taken amid the last.
            rules = evaluated(bench, group)
            for (rule, vectors), seen in zip(
                rules, visibility.seen(bench, group, rules, interrupt), strict=True
            ):
                found.ours |= set(replayed(bench, group, rule, seen.vectors, last_ms))
                found.naive |= set(replayed(bench, group, rule, vectors, last_ms))
                found.theirs |= set(written(bench, rule, last_ms))
                found.unsure += [(rule.name, time_ms) for time_ms in seen.unsure]
                open_by_stalls = excused(
                    seen.unsure, set(stalled(bench, group, rule)), bench.timeline.times_of(group)[0]
                )
                found.excused |= {(rule.name, time_ms) for time_ms in open_by_stalls}
                found.evaluations[rule.name] = found.evaluations.get(rule.name, 0) + sum(
                    vector is not None for vector in vectors
                )
    print(found)
    return found


def named(run, *names):
    """Those of the rule files that it loaded; a user's own are copied under a longer name."""
    return [file for file in loaded(run) if any(name in file.stem for name in names)]
