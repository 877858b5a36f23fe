"""Backtests of recorded drills, so that no clock decides their results."""

import itertools
import json
import subprocess
from math import inf

import pytest

from firedrill import places
from firedrill.alerts.backtest.backtest import BacktestRequest, backtest
from firedrill.alerts.scaling.shrink import scale_rules
from firedrill.errors import BadInput
from firedrill.interrupt import Interrupt
from firedrill.record.run_folder import Run
from tests import firedrill_process, recorded_drills, required_programs, run_json
from tests.replaying import FAULT_ALERTS, TIME_SCALE, compare, rule_files, rule_files_named

RECORDINGS = ("drill", "drill_amid_stalls")
"""The drill of `replaying.drill`, on an idle machine and on one that stood still 2 to 5 s every 5
to 15 s.
"""


def unpacked(name, tmp_path_factory):
    required_programs.require("prometheus")
    return recorded_drills.unpack(name, tmp_path_factory.mktemp(name))


@pytest.fixture(scope="module", params=RECORDINGS)
def either(request, tmp_path_factory):
    return unpacked(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return unpacked(RECORDINGS[0], tmp_path_factory)


@pytest.mark.parametrize(
    ("rules", "samples"),
    [(("api", "load", "recording"), 60), (("scraped",), 60), (("theirs",), 200)],
)
def test_the_replay_writes_what_prometheus_wrote(either, rules, samples):
    """The samples may differ only at evaluations that are marked as ambiguous."""
    samples_written = compare(either, rule_files_named(either, *rules))
    assert len(samples_written.replayed | samples_written.written) > samples
    assert not samples_written.unmarked_differences


def test_the_replay_holds_for_a_starved_prometheus(tmp_path_factory):
    """Each of its threads waited for hundreds of milliseconds again and again."""
    starved = unpacked("drill_amid_load", tmp_path_factory)
    assert not compare(starved, rule_files_named(starved, "theirs")).unmarked_differences


def test_alerts_on_their_own_group_are_never_ambiguous(either):
    comparison = compare(either, rule_files_named(either, "restless"))
    assert len(comparison.replayed | comparison.written) > 300
    assert comparison.replayed == comparison.written
    assert not comparison.marked


def test_time_stamps_alone_do_not_tell_what_was_seen(either):
    comparison = compare(either, rule_files_named(either, "theirs"))
    assert (
        len(comparison.by_time_stamps ^ comparison.written)
        > 500
        > len(comparison.replayed ^ comparison.written)
    )


def asked(run, *files, **question):
    with Interrupt() as interrupt:
        report = backtest(BacktestRequest(files, run, **question), interrupt)
    assert not report.refused
    return report


def test_a_backtest_tells_the_delay_after_the_named_fault(run):
    report = asked(
        run,
        *rule_files_named(run, "api"),
        alerts=("ApiLatencyBudgetBurn",),
        holds_ms=(1000, 3000, 3_600_000),
    )
    assert [cause.name for cause in report.causes] == [
        "latency 600 ms",
        "errors 90 %",
        "memory 12 MB/s",
        "stop",
    ]
    assert len(report.alerts) == 2
    for alert in report.alerts:
        assert [detection.cause for detection in alert.detections] == ["latency 600 ms"]
        assert alert.hold_seconds <= alert.detections[0].delay_seconds < 12
        assert alert.false_fires == 0
        first, second, never = (trial.detections[0].delay_seconds for trial in alert.sweep)
        assert first <= second
        assert never is None


def lives(report):
    """Return when each alert was pending, firing and resolved, by its name and labels.

    Times are seconds of the drill; inf means never.
    """
    spans = {}
    for alert in report.alerts:
        for firing_span in alert.fired:
            moments = (
                firing_span.pending_after_seconds,
                firing_span.firing_after_seconds,
                firing_span.resolved_after_seconds,
            )
            pending, firing, resolved = (
                inf if moment is None else moment / report.stretch for moment in moments
            )
            key = (alert.name, alert.severity, *sorted(firing_span.labels.items()))
            spans.setdefault(key, []).append((min(pending, firing), firing, resolved))
    return spans


def alike(some, others, tolerance, end):
    """Return whether each time in some spans, unless close to the end, has a counterpart in the
    others.
    """
    early = [
        (kind, moment)
        for span in some
        for kind, moment in enumerate(span)
        if moment < end - tolerance
    ]
    return all(
        any(abs(moment - span[kind]) <= tolerance for span in others) for kind, moment in early
    )


def is_restless(life, tolerance):
    """Return whether an alert changes faster than evaluations can tell.

    The phase of the evaluations then decides which changes they see.
    """
    moments = sorted(
        moment for pending, _, resolved in life for moment in (pending, resolved) if moment < inf
    )
    return any(later - earlier < tolerance for earlier, later in itertools.pairwise(moments))


@pytest.mark.parametrize(
    ("factor", "fired"), [(TIME_SCALE, FAULT_ALERTS), (12, {"ApiLatencyBudgetBurn"})]
)
def test_shrunk_and_stretched_rules_do_the_same(run, tmp_path, factor, fired):
    """The rules are those of api.yml that scaling accepts.

    A factor of 12 leaves no duration too short, and less fires within a drill.
    """
    production, drill = places.RULES / "api.yml", tmp_path / "api.yml"
    scaled = scale_rules(production.read_text(), factor)
    drill.write_text(scaled.text)
    clamped = {sentence.partition(":")[0] for sentence in scaled.clamped}
    short, long = lives(asked(run, drill)), lives(asked(run, production, stretch=factor))
    # One evaluation later a sample is seen, one more later what was recorded of it, and `for` is
    # rounded up to a third.
    tolerance = 3 * max(1.0, 15 / factor)
    end = run.recorded().end - run_json.content(run)["window"]["start"]
    both = {
        alert: (short.get(alert, []), long.get(alert, [])) for alert in short.keys() | long.keys()
    }
    different = {
        alert
        for alert, (shrunk, stretched) in both.items()
        if not alike(shrunk, stretched, tolerance, end)
        or not alike(stretched, shrunk, tolerance, end)
    }
    restless = {
        alert for alert in different if any(is_restless(life, tolerance) for life in both[alert])
    }
    print(
        f"by {factor}: {len(both) - len(different)} of {len(both)} alike; "
        f"not {sorted({alert[0] for alert in different})}"
    )
    assert {alert for alert in different - restless if alert[0] not in clamped} == set()
    assert clamped == set() or factor == TIME_SCALE
    assert {
        alert[0]
        for alert in both.keys() - different
        if any(firing < inf for _, firing, _ in long[alert])
    } >= fired - clamped


def test_a_run_without_samples_is_bad_input(run, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(run_json.content(run)))
    with pytest.raises(BadInput, match=f"{tmp_path}: nothing was recorded in this run"):
        asked(Run(tmp_path), *rule_files(run))


def test_a_threshold_is_swept_though_other_rules_are_broken(run, tmp_path):
    file = tmp_path / "mine.yml"
    file.write_text(
        "groups:\n  - name: mine\n    rules:\n"
        "      - {alert: ApiLatencyP99High, expr: mine:late:p50 > 0.2, for: 2s}\n"
        "      - {alert: Broken, expr: 'rate(x'}\n"
        '      - {alert: Odd, expr: up, labels: {a: "{{ humanize $value }}"}}\n'
        "      - record: mine:late:p50\n"
        "        expr: histogram_quantile(0.5, sum by (le) (mine:buckets:rate))\n"
        "      - {record: 'mine:buckets:rate', "
        "expr: 'rate(locust_request_duration_seconds_bucket[4s])'}\n"
    )
    done = subprocess.run(
        [
            firedrill_process.FIREDRILL,
            "alerts",
            "backtest",
            file,
            "--run",
            run.folder,
            "--sweep",
            "threshold=0.2..5/2",
            "--json",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    report, errors = json.loads(done.stdout), done.stderr
    assert done.returncode == 2
    assert f"{file}:5: Broken: could not parse expression" in errors
    assert f"{file}:6: Odd: the label template {{{{ humanize $value }}}} is not replayed" in errors
    (slow,) = report["alerts"]
    assert slow["detections"][0]["cause"] == "latency 600 ms"
    assert slow["detections"][0]["delay_seconds"] < 8
    assert [trial["detections"][0]["delay_seconds"] is None for trial in slow["sweep"]] == [
        False,
        True,
    ]
