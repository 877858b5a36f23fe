"""The replay against a Prometheus that lived: a drill with a fault, and what its own rules wrote while it lasted."""

import itertools
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from firedrill import places
from firedrill.alerts import ambiguity, grid, rulefile
from firedrill.alerts.backtest import Question, backtest
from firedrill.alerts.bench import Bench
from firedrill.alerts.replay import SILENT_AFTER_START, Replay
from firedrill.contract import LOOPBACK
from firedrill.drill.record import Run
from firedrill.errors import BadInput
from firedrill.interrupt import Interrupt
from tests import drilling

pytestmark = pytest.mark.timeout(120)

FAULT = "faults:\n  - {start_time: 2s, for: 6s, latency: 300ms}\n"


RULES = """\
groups:
  - name: theirs
    rules:
      - {record: firedrill:rule_evaluation, expr: vector(1), labels: {group: theirs}}
      - {alert: Odd, expr: odd == 1}
      - {alert: OddForLong, expr: odd == 1, for: 2s, labels: {severity: "{{ $labels.job }}"}}
      - {alert: OddAndKept, expr: odd == 1, keep_firing_for: 2s}
      - {alert: NotSeen, expr: absent(odd)}
      - {alert: Busy, expr: 'rate(asked_total[4s]) > 0'}
"""


class Page(BaseHTTPRequestHandler):
    """A metrics page that is odd for two of five scrapes, slow every third time and fails every seventh."""

    asked = itertools.count(1)

    def do_GET(self):
        number = next(self.asked)
        if number % 3 == 0:
            threading.Event().wait(0.7)
        body = f"odd {number % 5 // 3}\nasked_total {number}\n".encode()
        self.send_response(200 if number % 7 else 503)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture(scope="module")
def page():
    """Its address."""
    with ThreadingHTTPServer((LOOPBACK, 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{LOOPBACK}:{server.server_port}/metrics"
        server.shutdown()


@pytest.fixture(scope="module")
def run(tmp_path_factory, page):
    """A drill of 11 s, slow for 6 s of them; a second of it stands for 36. A page that is slow and fails is scraped with it."""
    folder = tmp_path_factory.mktemp("backtest")
    (folder / "theirs.yml").write_text(RULES)
    file = drilling.profile(
        folder, users=20, seconds=11, slo="{p99: 0.25s}", think_time="0.1s..0.2s", alerts="{always: [ApiLatencyBudgetBurn]}"
    )
    file.write_text(file.read_text() + FAULT)
    drill = drilling.start(
        folder / "runs", file, "--threads", "32", "--time-scale", "36", "--scrape", page, "--rules", folder / "theirs.yml"
    )
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


def replayed(bench, group, rule, times, interval_ms):
    """(name, labels, time, value) of every sample that the replay says was written."""
    replay = Replay(rule, group.limit, SILENT_AFTER_START)
    for time_ms, vector in zip(times, grid.evaluate(bench.prom, rule.expr, times, interval_ms), strict=True):
        shown = replay.evaluate(time_ms, vector) or {}
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


def by_kind(groups):
    """Alert rules that share name and severity write the same series, so they are compared together."""
    kinds = {}
    for group in groups:
        for rule in group.rules:
            if rule.is_alert:
                kinds.setdefault((rule.name, rule.labels.get("severity", "")), []).append((group, rule))
    return kinds.values()


def labels_of(sample):
    """The alert that a sample is about, whatever its state."""
    return tuple(pair for pair in sample[1] if pair[0] != "alertstate")


def is_explained(sample, either, times, unsure):
    """Whether the alert was there, without a break, since an evaluation that was marked ambiguous."""
    there = {one[2] for one in either if labels_of(one) == labels_of(sample)}
    for time_ms in reversed([time_ms for time_ms in times if time_ms <= sample[2]]):
        if time_ms in unsure:
            return True
        if time_ms not in there:
            return False
    return False


def compare(run, files):
    """(samples compared, those that differ, those of them that nothing explains, evaluations, the ambiguous ones)."""
    groups = [group for file in files for group in rulefile.read(file)]
    found = [0, 0, [], 0, 0]
    with Interrupt() as interrupt, Bench(run, groups, 1, None, interrupt) as bench:
        for kind in by_kind(groups):
            ours, unsure = set(), set()
            for group, rule in kind:
                assert bench.recorded_times(group), f"{group.name} left no trace of its evaluations"
                times, interval_ms = bench.times_of(group)
                times = times[:-1]  # The snapshot may have been taken amid the last.
                unsure |= ambiguity.ambiguous(times, bench.late(rule, group))
                ours |= set(replayed(bench, group, rule, times, interval_ms))
            theirs = set(written(bench, kind[0][1], times[-1]))
            unexplained = [sample for sample in ours ^ theirs if not is_explained(sample, ours | theirs, times, unsure)]
            counted = len(ours | theirs), len(ours ^ theirs), unexplained, len(times), len(unsure)
            found = [before + more for before, more in zip(found, counted, strict=True)]
    print(f"{found[0]} samples, {found[1]} different: {len(found[2])} unexplained; {found[4]} of {found[3]} evaluations ambiguous")
    return found


def test_the_replay_is_what_prometheus_wrote_sample_by_sample(run):
    compared, _, unexplained, _, _ = compare(run, [file for file in loaded(run) if "theirs" not in file.name])
    assert compared > 60
    assert not unexplained


def test_on_a_page_that_is_slow_and_fails_no_sample_differs_but_where_it_was_foretold(run):
    compared, _, unexplained, evaluations, unsure = compare(run, [file for file in loaded(run) if "theirs" in file.name])
    assert compared > 60
    assert not unexplained
    assert unsure < evaluations / 2, "none at all, where no evaluation falls into a slow scrape"


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
