"""The replay against a Prometheus that lived: a drill with a fault, and what its own rules wrote while it lasted."""

import json
import subprocess

import pytest

from firedrill import places
from firedrill.alerts import ambiguity, grid, rulefile
from firedrill.alerts.backtest import Question, backtest
from firedrill.alerts.bench import Bench
from firedrill.alerts.replay import SILENT_AFTER_START, Replay
from firedrill.drill.record import Run
from firedrill.errors import BadInput
from firedrill.interrupt import Interrupt
from tests import drilling

pytestmark = pytest.mark.timeout(120)

FAULT = "faults:\n  - {start_time: 2s, for: 6s, latency: 300ms}\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A drill of 11 s, slow for 6 s of them; a second of it stands for 36."""
    folder = tmp_path_factory.mktemp("backtest")
    file = drilling.profile(
        folder, users=20, seconds=11, slo="{p99: 0.25s}", think_time="0.1s..0.2s", alerts="{always: [ApiLatencyBudgetBurn]}"
    )
    file.write_text(file.read_text() + FAULT)
    drill = drilling.start(folder / "runs", file, "--threads", "32", "--time-scale", "36")
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
        start, end = bench.span_ms
        for series in bench.prom.raw(f'{name}{{alertname="{rule.name}", severity="{severity}"}}', start / 1000 - 60, end / 1000 + 5):
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


def test_the_replay_is_what_prometheus_wrote_sample_by_sample(run):
    groups = [group for file in loaded(run) for group in rulefile.read(file)]
    compared, different, unexplained = 0, 0, []
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
            compared, different = compared + len(ours | theirs), different + len(ours ^ theirs)
            unexplained += [sample for sample in ours ^ theirs if not is_explained(sample, ours | theirs, times, unsure)]
    print(f"{compared} samples compared, {different} different, {len(unexplained)} of them not marked ambiguous")
    assert compared > 60
    assert not unexplained


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
