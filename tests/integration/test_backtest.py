"""The replay against a Prometheus that lived: a drill with a fault, and what its own rules wrote while it lasted."""

import itertools
import json
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from firedrill import places
from firedrill.alerts import readable, rulefile
from firedrill.alerts.backtest import Question, backtest
from firedrill.alerts.bench import Bench
from firedrill.alerts.replay import Replay
from firedrill.contract import LOOPBACK
from firedrill.drill.record import Run
from firedrill.errors import BadInput
from firedrill.interrupt import Interrupt
from tests import drilling

pytestmark = pytest.mark.timeout(120)

FAULT = "faults:\n  - {start_time: 2s, for: 6s, latency: 300ms}\n"

GROUPS = 6
"""Each is evaluated at a phase of its own, so that no phase decides what the test sees."""
RULES = """\
  - name: theirs{n}
    rules:
      - {{record: firedrill:rule_evaluation, expr: vector(1), labels: {{group: theirs{n}}}}}
      - {{alert: Odd{n}, expr: odd == 1}}
      - {{alert: OddForLong{n}, expr: odd == 1, for: 2s, labels: {{severity: "{{{{ $labels.job }}}}"}}}}
      - {{alert: OddAndKept{n}, expr: odd == 1, keep_firing_for: 2s}}
      - {{alert: NotSeen{n}, expr: absent(odd)}}
      - {{alert: GoneForLong{n}, expr: absent(odd), for: 3s}}
      - {{alert: Busy{n}, expr: 'rate(asked_total[4s]) > 0'}}
      - {{alert: Unreliable{n}, expr: 'avg_over_time(up{{job="extra"}}[10s]) < 0.9', for: 2s}}
      - {{alert: Slow{n}, expr: 'avg_over_time(scrape_duration_seconds{{job="extra"}}[10s]) > 0.3'}}
      - {{alert: Early{n}, expr: 'late{n}:odd == 1'}}
      - {{alert: EarlyWindow{n}, expr: 'avg_over_time(late{n}:odd[3s]) > 0.5', for: 1s}}
      - {{record: 'late{n}:odd', expr: odd}}
      - {{record: 'own{n}:evaluations', expr: 'own{n}:evaluations + 1 or vector(1)'}}
      - {{alert: Often{n}, expr: 'own{n}:evaluations > 9'}}
      - {{record: 'clash{n}:any', expr: '{{__name__=~"up|odd", job="extra"}}'}}
      - {{alert: Clash{n}, expr: '{{__name__=~"up|odd", job="extra"}} >= 0'}}
      - {{alert: AtEnd{n}, expr: 'max_over_time((odd{{job="extra"}} @ end())[4s:1s]) > 0'}}
"""

NAMESAKE = """\
groups:
  - name: theirs0
    rules:
      - {record: firedrill:rule_evaluation, expr: vector(1), labels: {group: theirs0}}
      - {alert: OddToo, expr: odd == 1}
"""
"""A group of the same name in another file has a phase of its own."""

SCRAPE_TIMEOUT_SECONDS = 1.0
"""prometheus.yml's."""


def patience_seconds(number):
    """How long a scrape takes: every seventh hangs, every third is slow. No two take the same, so that none suits the phase of a group."""
    part = number * 0.618 % 1
    return SCRAPE_TIMEOUT_SECONDS + 0.2 if number % 7 == 0 else 0.3 + 0.6 * part if number % 3 == 0 else 0.2 * part


class Page(ThreadingHTTPServer):
    """A metrics page that is odd for half of the time, and slow, and fails every eleventh time.

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


@pytest.fixture(scope="module")
def page():
    """Its address."""
    with Page() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{LOOPBACK}:{server.server_port}/metrics"
        server.shutdown()


@pytest.fixture(scope="module")
def run(tmp_path_factory, page):
    """A drill of 11 s, slow for 6 s of them; a second of it stands for 36. A page that is slow and fails is scraped with it."""
    folder = tmp_path_factory.mktemp("backtest")
    (folder / "theirs.yml").write_text("groups:\n" + "".join(RULES.format(n=number) for number in range(GROUPS)))
    (folder / "theirs-too.yml").write_text(NAMESAKE)
    file = drilling.profile(
        folder, users=20, seconds=11, slo="{p99: 0.25s}", think_time="0.1s..0.2s", alerts="{always: [ApiLatencyBudgetBurn]}"
    )
    file.write_text(file.read_text() + FAULT)
    drill = drilling.start(
        folder / "runs", file, "--threads", "32", "--time-scale", "36", "--scrape", page, "--rules", folder / "theirs.yml",
        "--rules", folder / "theirs-too.yml",
    )  # fmt: skip
    code, output, errors = drill.finish()
    assert code in {1, 4}, output + errors
    return drill.run()


def test_the_run_s_scorecard_says_what_the_fault_set_off(run):
    rows = {row["alert"]: row for row in run.read()["scorecard"]}
    assert rows["ApiLatencyBudgetBurn"]["judgement"] == "detected"
    assert 3 < rows["ApiLatencyBudgetBurn"]["delay_seconds"] < 12


def loaded(run):
    """The rule files that the run's Prometheus had loaded."""
    return sorted((run.folder / "prometheus" / "rules").glob("*.yml"))


def samples(name, shown, time_ms):
    for labels, one in shown.items():
        state = (("alertstate", str(one.state)),) if name == "ALERTS" else ()
        yield tuple(sorted((*labels, *state))), time_ms, 1 if name == "ALERTS" else one.for_state


def evaluated(bench, group):
    """Each alert of a group, with what its expression gives at its evaluations."""
    return [(rule, bench.vectors(group, rule, rule.expr)) for rule in group.rules if rule.is_alert]


def replayed(bench, group, rule, vectors, last_ms):
    """(name, labels, time, value) of every sample that the replay says was written."""
    replay = Replay(rule, group.limit, bench.silence_of(group))
    for time_ms, vector in zip(bench.times_of(group)[0], vectors, strict=True):
        shown = replay.evaluate(time_ms, vector) or {} if time_ms <= last_ms else {}
        for name in ("ALERTS", "ALERTS_FOR_STATE"):
            yield from ((name, *sample) for sample in samples(name, shown, time_ms))


def written(bench, rule, last_ms):
    """The same as Prometheus wrote it."""
    for name in ("ALERTS", "ALERTS_FOR_STATE"):
        severity = rule.labels.get("severity", "")
        chosen = f', severity="{severity}"' if "{{" not in severity else ""
        start, end = bench.span_ms
        for series in bench.prom.raw(f'{name}{{alertname="{rule.name}"{chosen}}}', start / 1000 - 60, end / 1000 + 5):
            labels = tuple(sorted((key, value) for key, value in series.labels.items() if key != "__name__"))
            yield from ((name, labels, round(time * 1000), value) for time, value in series.points if round(time * 1000) <= last_ms)


@dataclass
class Comparison:
    """Samples of what the replay of some rule files says was written, and of what was."""

    ours: set = field(default_factory=set)
    naive: set = field(default_factory=set)
    """Ours, were samples taken by their time stamps."""
    theirs: set = field(default_factory=set)
    unsure: list = field(default_factory=list)
    """(name of the alert, time) of each evaluation that was marked."""
    evaluations: int = 0

    @property
    def not_foretold(self):
        """What differs for no reason."""
        marked = set(self.unsure)
        return [sample for sample in self.ours ^ self.theirs if (dict(sample[1])["alertname"], sample[2]) not in marked]

    def __str__(self):
        return (
            f"{len(self.ours | self.theirs)} samples, {len(self.ours ^ self.theirs)} different, {len(self.not_foretold)} of them not"
            f" foretold; by time stamps {len(self.naive ^ self.theirs)} were; {len(self.unsure)} of {self.evaluations} evaluations"
            f" ambiguous, {len(self.unsure) / self.evaluations:.1%}"
        )


def compare(run, files):
    """The replay of rules that a run loaded, and what was written in it."""
    found = Comparison()
    groups = [group for file in files for group in rulefile.read(file)]
    with Interrupt() as interrupt, Bench(run, groups, 1, None, interrupt) as bench:
        for group in groups:
            assert bench.recorded_times(group), f"{group.name} left no trace of its evaluations"
            last_ms = bench.times_of(group)[0][-2]  # The snapshot may have been taken amid the last.
            rules = evaluated(bench, group)
            for (rule, vectors), seen in zip(rules, readable.seen(bench, group, rules, interrupt), strict=True):
                found.ours |= set(replayed(bench, group, rule, seen.vectors, last_ms))
                found.naive |= set(replayed(bench, group, rule, vectors, last_ms))
                found.theirs |= set(written(bench, rule, last_ms))
                found.unsure += [(rule.name, time_ms) for time_ms in seen.unsure]
                found.evaluations += len(vectors)
    print(found)
    return found


def test_the_replay_is_what_prometheus_wrote_sample_by_sample(run):
    found = compare(run, [file for file in loaded(run) if "theirs" not in file.name])
    assert len(found.ours | found.theirs) > 60
    assert not found.not_foretold


def test_on_a_page_that_is_slow_and_fails_no_sample_differs_but_where_it_was_foretold(run):
    found = compare(run, [file for file in loaded(run) if "theirs" in file.name])
    assert len(found.ours | found.theirs) > 200
    assert not found.not_foretold
    assert found.naive ^ found.theirs, "an evaluation fell into each scrape that hung"
    # 5 % over minutes; in 11 s two phases of the six right behind the page's own are more.
    assert len(found.unsure) <= 0.1 * found.evaluations


def test_groups_of_one_name_in_two_files_each_have_their_own_evaluations(run):
    groups = [group for file in loaded(run) for group in rulefile.read(file) if group.name == "theirs0"]
    with Interrupt() as interrupt, Bench(run, groups, 1, None, interrupt) as bench:
        first, second = (bench.recorded_times(group) for group in groups)
    assert len(first) > 10
    assert not set(first) & set(second)
    assert {len({time_ms % 1000 for time_ms in times}) for times in (first, second)} == {1}


@pytest.fixture(scope="module")
def shrunk(run):
    """The run's own rules on the run, with other values of `for`."""
    (api,) = [file for file in loaded(run) if file.name == "api.yml"]
    return asked(run, api, alerts=("ApiLatencyBudgetBurn",), holds_ms=(1000, 3000, 3_600_000))


def asked(run, *files, **question):
    with Interrupt() as interrupt:
        report = backtest(Question(files, run, **question), interrupt)
    assert not report.refused
    return report


def test_a_backtest_tells_the_delay_after_the_fault(shrunk):
    assert [cause.name for cause in shrunk.causes] == ["latency 300 ms"]
    assert len(shrunk.alerts) == 2
    for alert in shrunk.alerts:
        assert alert.hold_seconds <= alert.detections[0].delay_seconds < 12
        assert alert.false_fires == 0
        first, second, never = (trial.detections[0].delay_seconds for trial in alert.sweep)
        assert first <= second
        assert never is None


def test_production_rules_on_the_stretched_run_agree_with_the_shrunk_ones(run, shrunk):
    stretched = asked(run, places.RULES / "api.yml", alerts=("ApiLatencyBudgetBurn",), stretch=36)
    for short, long in zip(shrunk.alerts, stretched.alerts, strict=True):
        assert long.detections[0].delay_seconds == pytest.approx(36 * short.detections[0].delay_seconds, abs=36 * 2.5)


def test_a_run_in_which_nothing_was_recorded_is_bad_input(run, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(run.read()))
    with pytest.raises(BadInput, match=f"{tmp_path}: nothing was recorded in this run"):
        asked(Run(tmp_path), *loaded(run))


def test_a_threshold_is_swept_over_new_recorded_series_and_broken_rules_do_not_stop_the_others(run, tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text(
        "groups:\n  - name: mine\n    rules:\n"
        "      - {alert: Slow, expr: mine:late:p50 > 0.2, for: 2s}\n"
        "      - {alert: Broken, expr: 'rate(x'}\n"
        '      - {alert: Odd, expr: up, labels: {a: "{{ humanize $value }}"}}\n'
        "      - record: mine:late:p50\n"
        "        expr: histogram_quantile(0.5, sum by (le) (mine:buckets:rate))\n"
        "      - {record: 'mine:buckets:rate', expr: 'rate(locust_request_duration_seconds_bucket[4s])'}\n"
    )
    done = subprocess.run(
        [drilling.FIREDRILL, "alerts", "backtest", file, "--run", run.folder, "--sweep", "threshold=0.2..5/2", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    report, errors = json.loads(done.stdout), done.stderr
    assert done.returncode == 2
    assert f"{file}:5: Broken: could not parse expression" in errors
    assert f"{file}:6: Odd: the label template {{{{ humanize $value }}}} is not replayed" in errors
    (slow,) = report["alerts"]
    assert slow["detections"][0]["delay_seconds"] < 8
    assert [trial["detections"][0]["delay_seconds"] is None for trial in slow["sweep"]] == [False, True]
