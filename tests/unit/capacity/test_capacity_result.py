"""The result of a search: objectives, profile, bottleneck, overload, verdict, report."""

from dataclasses import replace

import pytest
from firedrill_load.open_loop.live_rates import LiveRates
from firedrill_load.open_loop.schedule import ScheduleCursor, schedule_of

from firedrill.capacity import overload, summary
from firedrill.capacity.bottleneck import find_bottleneck
from firedrill.capacity.capacity_profile import slo_of, write_profile
from firedrill.capacity.rate_file import RateFile
from firedrill.capacity.verdict import remarks, verdict
from firedrill.errors import BadInput
from firedrill.profile import Slo, load_profile
from firedrill.record.capacity import Bottleneck, Capacity, Overload, TrialFigures
from firedrill.record.outcome import Reason
from firedrill.record.run_document import RunDocument
from firedrill.record.run_folder import Run
from firedrill.report.pages import capacity_section, run_page
from firedrill.report.run_facts import Facts
from tests.unit.capacity.test_capacity_trial import counts
from tests.unit.healthy_run import run_document
from tests.unit.printing import printed

LAUNCH = load_profile("launch")
SLO = Slo(latency_seconds={"p99": 0.25}, error_ratio=0.01)
TRIAL = TrialFigures(
    rate=70.0,
    phase="confirmation",
    outcome="held",
    reason="the SLO held",
    start_seconds=10.0,
    end_seconds=30.0,
    warmup_seconds=1.0,
    is_certain=True,
    throughput=70.0,
    goodput=69.9,
    latency_seconds={"p50": 0.05, "p99": 0.2},
)
OVERLOAD = Overload(
    factor=2.0,
    rate=140.0,
    seconds=20.0,
    throughput=72.0,
    goodput=3.0,
    latency_seconds={"p99": 9.0},
    accepted_p99_seconds=0.2,
    errors={"503": 4.0},
    dropped=30.0,
    shed=None,
    in_flight_max=900.0,
    queue_is_bounded=False,
    after_rate=56.0,
    recovery_seconds=None,
)
FOUND = Capacity(
    rate=70.0,
    is_lower_bound=False,
    failed_rate=73.0,
    is_confirmed=True,
    ending="found",
    spacing="even",
    trials=(TRIAL, replace(TRIAL, rate=73.0, outcome="broken")),
    bottleneck=Bottleneck("workers", "at 73.0/s: workers 100 %"),
    overload=(OVERLOAD,),
)


def test_objectives_replace_those_of_the_profile():
    assert slo_of([], LAUNCH).latency_seconds == LAUNCH.slo.latency_seconds
    assert slo_of(["p95=100ms"], LAUNCH) == Slo({"p95": 0.1}, 0.01)
    assert slo_of(["p95=100ms,errors=0.1%", "max=2s"], LAUNCH) == Slo({"p95": 0.1, "max": 2}, 0.001)


@pytest.mark.parametrize("word", ["p99", "p98=1s", "p99=fast", "p99=", "errors=2", "mean=1s", "="])
def test_a_wrong_objective_is_named(word):
    with pytest.raises(BadInput, match="--slo"):
        slo_of([word], LAUNCH)


def test_a_profile_without_objectives_needs_some():
    with pytest.raises(BadInput, match="expected --slo"):
        slo_of([], replace(LAUNCH, slo=None))


@pytest.mark.parametrize("name", ["launch", "open", "smoke", "breakpoint"])
def test_the_played_profile_is_open_with_the_same_users(tmp_path, name):
    profile = load_profile(name)
    write_profile(tmp_path / "capacity.yaml", profile, SLO, "poisson")
    played = load_profile(str(tmp_path / "capacity.yaml"))
    assert played.users == profile.users
    assert (played.slo, played.open_loop.poisson, played.duration_seconds) == (SLO, True, None)


def test_live_rates_change_the_schedule_from_their_time_on(tmp_path):
    write_profile(tmp_path / "capacity.yaml", LAUNCH, SLO, "even")
    profile = load_profile(str(tmp_path / "capacity.yaml"))
    file = tmp_path / "rates.txt"
    rates, live = RateFile(file, workers=1), LiveRates(file)
    cursor = ScheduleCursor(schedule_of(profile, live))
    assert list(cursor.between(0.0, 1.0)) == []
    assert rates.set(100.0, 1.0) == 1.5
    assert len(list(cursor.between(1.0, 2.5))) == 100
    rates.set(0.0, 2.5)
    assert len(list(cursor.between(2.5, 9.0))) == 50
    assert live.is_resting(8.0)
    assert not live.is_resting(2.0)


def test_live_rates_survive_a_file_that_cannot_be_read(tmp_path):
    file = tmp_path / "rates.txt"
    live = LiveRates(file)
    assert live.steps() == ((0.0, 0.0),)
    file.write_text("0 0\n1 5\n")
    assert live.steps() == ((0.0, 0.0), (1.0, 5.0))
    file.write_text("0 0\nhalf\n")
    assert live.steps() == ((0.0, 0.0), (1.0, 5.0))


@pytest.mark.parametrize(
    ("used", "handler", "expected"),
    [
        ({"workers": 1.0, "connections": 1.0, "cpu": 0.1}, 0.055, "workers"),
        ({"workers": 1.0, "cpu": 0.97}, 0.2, "cpu"),
        ({"workers": 0.3, "connections": 1.0}, 0.055, "connections"),
        ({"workers": 1.0, "cpu": 0.1}, 0.2, "downstream"),
        ({"workers": 0.5, "cpu": 0.1}, 0.055, "unknown"),
        ({}, None, "unknown"),
    ],
)
def test_the_deepest_saturated_resource_is_the_bottleneck(used, handler, expected):
    assert find_bottleneck(used, handler, 0.05, 100.0).resource == expected


def test_recovery_is_the_time_from_which_the_slo_holds():
    slow, good = (50, 40, 0.5, 5, 0, 0), (50, 0, 0.05, 5, 0, 0)
    assert overload.recovery_seconds(counts([slow] * 3 + [good] * 20), SLO) == 3.0
    assert overload.recovery_seconds(counts([good] * 20), SLO) == 0.0
    assert overload.recovery_seconds(counts([good] * 3 + [slow] * 20), SLO) is None
    assert overload.recovery_seconds([], SLO) is None


@pytest.mark.parametrize(
    ("waiting", "dropped", "bounded"),
    [
        ([10.0] * 20, 0, True),
        ([10.0 * at for at in range(20)], 0, False),
        ([*[10.0 * at for at in range(10)], *[100.0] * 20], 0, True),
        ([500.0] * 20, 7, False),
    ],
)
def test_a_queue_is_bounded_where_it_stops_growing(waiting, dropped, bounded):
    assert overload.queue_is_bounded(list(enumerate(waiting)), dropped, 100.0) is bounded


def expecting(result, rate):
    return replace(result, expected_rate=rate, headroom_ratio=result.rate / rate - 1)


UNSUSTAINABLE = replace(
    FOUND,
    rate=None,
    ending="unsustainable",
    trials=(replace(TRIAL, rate=1.0, outcome="broken", reason="50 % failed"),),
)
AT_LEAST = replace(FOUND, is_lower_bound=True, ending="highest_rate")


@pytest.mark.parametrize(
    ("result", "status", "reason"),
    [
        (FOUND, "PASSED", None),
        (expecting(FOUND, 60.0), "PASSED", None),
        (expecting(FOUND, 100.0), "FAILED", "70.0/s, and 100.0/s are expected: 30 % too little"),
        (AT_LEAST, "PASSED", None),
        (expecting(AT_LEAST, 100.0), "INVALID", "at least 70.0/s"),
        (UNSUSTAINABLE, "FAILED", "even 1/s breaks the SLO: 50 % failed"),
        (replace(FOUND, ending="interrupted", is_lower_bound=True), "INTERRUPTED", None),
        (replace(FOUND, rate=None, ending="out_of_time"), "INVALID", "time limit"),
    ],
)
def test_the_verdict_follows_the_result(result, status, reason):
    judged = verdict(result, [])
    assert judged.status == status
    texts = [one.text for one in judged.reasons]
    assert (not texts) if reason is None else any(reason in text for text in texts)


def test_a_part_that_ended_voids_a_capacity():
    assert verdict(FOUND, [Reason("api_ended", "the API ended")]).status == "INVALID"


def test_a_limit_of_the_generator_is_no_number_for_the_api():
    limited = replace(
        FOUND, is_lower_bound=True, bottleneck=Bottleneck("generator", "it used 0.95 of a core")
    )
    texts = [remark.text for remark in remarks(limited, SLO)]
    assert texts[0].startswith("the API sustains at least 70.0/s within p99 250 ms, errors 1.0 %")
    assert "use more --workers" in texts[1]


def document():
    return run_document(kind="capacity", capacity=FOUND, remarks=tuple(remarks(FOUND, SLO)))


def test_a_result_survives_its_run_json():
    written = document()
    assert RunDocument.parse(written.content()).capacity == written.capacity


def test_an_older_run_has_no_capacity():
    assert RunDocument.parse({"schema": 2}).capacity is None
    assert RunDocument.parse({"schema": 2}).kind == "run"


def test_the_summary_shows_trials_and_overload(tmp_path):
    run = Run(tmp_path)
    run.write(document())
    shown = printed(summary.of_run(run), width=120)
    assert "the API sustains 70.0/s" in shown
    assert "confirmation" in shown
    assert "not in a minute" in shown


def test_the_report_shows_the_curve_and_the_overload():
    facts = Facts("a-run", document())
    page = run_page.render_run(facts, None)
    assert capacity_section.TITLE in page
    assert "the API sustains 70.0/s" in page
    assert "grows without end" in page
