"""A run is compared with an earlier one."""

from dataclasses import asdict, is_dataclass, replace

import pytest

from firedrill.drill.judge.baseline import Baseline
from firedrill.drill.judge.verdict import judge
from firedrill.errors import BadInput
from firedrill.profile import FaultStep, Step
from firedrill.record.outcome import Status
from firedrill.record.run_document import Generator, LocustfileUsed
from firedrill.record.run_folder import Run
from tests import run_json
from tests.unit.drill.reasons import codes
from tests.unit.healthy_run import HEALTHY, PROFILE

MADE = {"locustfile": {"name": "mine.py", "sha256": "abc"}, "workers": 1, "docker": False}
GENERATOR = Generator(LocustfileUsed("mine.py", "abc"), workers=1, docker=False)


def recorded(folder, *, profile=PROFILE, figures=HEALTHY, status="PASSED", **changed):
    run = Run(folder / "before")
    run.folder.mkdir()
    document = {
        "profile": asdict(profile),
        "verdict": {"status": status, "reasons": []},
        "figures": figures and asdict(figures),
    }
    run_json.write(run, document | {name: plain(value) for name, value in changed.items()})
    return run


def plain(value):
    return asdict(value) if is_dataclass(value) else value


def now(**client):
    return replace(HEALTHY, client=replace(HEALTHY.client, **client))


@pytest.fixture
def baseline(tmp_path):
    return Baseline.of(recorded(tmp_path), PROFILE, tolerance=0.1)


@pytest.mark.parametrize(
    ("worse", "code", "says"),
    [
        (
            {"latency_including_waiting_seconds": {"p50": 0.06, "p95": 0.095, "p99": 0.2}},
            "regression_p99",
            "from 100 ms to 200 ms",
        ),
        (
            {"latency_including_waiting_seconds": {"p50": 0.07, "p95": 0.095, "p99": 0.1}},
            "regression_p50",
            "from 60 ms to 70 ms",
        ),
        ({"error_ratio": 0.002}, "regression_errors", "the error share went from 0 % to 0.2 %"),
        ({"rate": 89.0}, "regression_rate", "the achieved rate went from 100.0/s to 89.0/s"),
    ],
)
def test_a_worse_signal_fails_the_run_and_is_named(baseline, worse, code, says):
    verdict = judge(PROFILE, now(**worse), [], baseline.regressions(now(**worse)))
    assert (verdict.status, codes(verdict)) == (Status.FAILED, [code])
    assert says in verdict.reasons[0].text
    assert "since before (tolerance: 10 %)" in verdict.reasons[0].text


def test_a_small_slowdown_is_found_by_the_mean(baseline):
    """Percentiles may lie anywhere in a bucket 6 % wide."""
    before = replace(baseline, latency_seconds={"p50": 0.26, "mean": 0.2612})
    slower = now(latency_including_waiting_seconds={"p50": 0.285, "mean": 0.2882})
    found = replace(before, tolerance=0.05).regressions(slower)
    assert [reason.code for reason in found] == ["regression_mean"]


def test_a_difference_that_chance_explains_is_no_regression(baseline):
    before = replace(
        baseline, latency_seconds={"mean": 0.1}, standard_error_seconds={"mean": 0.004}
    )
    noisy = now(
        latency_including_waiting_seconds={"mean": 0.12}, standard_error_seconds={"mean": 0.003}
    )
    assert list(before.regressions(noisy)) == []
    assert list(replace(before, standard_error_seconds={}).regressions(noisy)) != []


def test_expected_alerts_are_no_part_of_the_load(tmp_path):
    before = replace(PROFILE, faults=(FaultStep(5, 10, {"latency": 0.3}),))
    now_named = replace(before, faults=(replace(before.faults[0], alerts=("ApiDown",)),))
    assert Baseline.of(recorded(tmp_path, profile=before), now_named, tolerance=0.1)
    with pytest.raises(BadInput, match="played another load"):
        Baseline.of(Run(tmp_path / "before"), replace(before, faults=()), tolerance=0.1)


@pytest.mark.parametrize(
    "alike",
    [
        {},
        {"latency_including_waiting_seconds": {"p50": 0.0649, "p95": 0.104, "p99": 0.109}},
        {"latency_including_waiting_seconds": {"p50": 0.01, "p95": 0.01, "p99": 0.01}},
        {"error_ratio": 0.001},
        {"error_ratio": None},
        {"rate": 91.0},
        {"rate": 500.0},
    ],
)
def test_better_figures_and_tolerated_ones_pass(baseline, alike):
    assert list(baseline.regressions(now(**alike))) == []


def test_small_numbers_are_compared_by_difference_and_not_by_ratio(tmp_path):
    """From 5 to 9 ms is 80 % more, and less than the buckets can tell."""
    fast = now(latency_including_waiting_seconds={"p50": 0.005, "p95": 0.005, "p99": 0.005})
    baseline = Baseline.of(recorded(tmp_path, figures=fast), PROFILE, tolerance=0.1)
    assert (
        list(
            baseline.regressions(
                now(latency_including_waiting_seconds={"p50": 0.009, "p95": 0.009, "p99": 0.009})
            )
        )
        == []
    )


def test_a_regression_is_no_broken_slo_for_expected_alerts(baseline):
    profile = replace(PROFILE, alerts=replace(PROFILE.alerts, if_slo_broken=("ApiDown",)))
    assert codes(judge(profile, now(rate=50.0), [], baseline.regressions(now(rate=50.0)))) == [
        "regression_rate"
    ]


def test_a_figure_missing_in_the_baseline_is_not_compared(tmp_path):
    before = recorded(tmp_path, figures=None)
    run_json.write(before, run_json.content(before) | {"figures": {"client": {"rate": 100.0}}})
    slow = now(latency_including_waiting_seconds={"p50": 9.0, "p95": 9.0, "p99": 9.0}, rate=50.0)
    assert [reason.code for reason in Baseline.of(before, PROFILE, 0.1).regressions(slow)] == [
        "regression_rate"
    ]


@pytest.mark.parametrize(("schema", "compared"), [(1, []), (2, ["regression_errors"])])
def test_errors_counted_by_an_older_rule_are_not_compared(tmp_path, schema, compared):
    before = Baseline.of(recorded(tmp_path, schema=schema), PROFILE, 0.1)
    assert [reason.code for reason in before.regressions(now(error_ratio=0.5))] == compared
    assert before.counts_errors_otherwise == (schema == 1)


def test_a_baseline_without_a_newer_setting_had_its_default(tmp_path):
    before = recorded(tmp_path)
    document = run_json.content(before)
    del document["profile"]["faults"], document["profile"]["ramp"]
    document["profile"]["steps"][0]["of the future"] = None
    run_json.write(before, document)
    assert Baseline.of(before, PROFILE, 0.1).rate == 100.0


@pytest.mark.parametrize(("lasted", "planned"), [(85.4, 85), (81, 85), (85, None), (4.2, 4)])
def test_a_baseline_of_the_same_length_is_taken(tmp_path, lasted, planned):
    before = recorded(tmp_path, window={"start": 1000.0, "end": 1000.0 + lasted})
    assert Baseline.of(before, PROFILE, 0.1, planned).rate == HEALTHY.client.rate


@pytest.mark.parametrize("lasted", [20, 200])
def test_a_baseline_of_another_length_saw_another_load(tmp_path, lasted):
    before = recorded(tmp_path, window={"start": 1000.0, "end": 1000.0 + lasted})
    with pytest.raises(
        BadInput, match=f"--baseline before: lasted {lasted} s; expected the 85 s of this run"
    ):
        Baseline.of(before, PROFILE, 0.1, 85)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"figures": None}, "nothing was measured"),
        ({"status": "INVALID"}, "the run is INVALID"),
        ({"status": "INTERRUPTED"}, "the run is INTERRUPTED"),
        (
            {"profile": replace(PROFILE, steps=(Step(0, 20, 10),))},
            r"played another load \(launch\)",
        ),
        ({"profile": replace(PROFILE, warmup_seconds=0)}, r"played another load \(launch\)"),
        (
            {"generator": {**MADE, "workers": 2}},
            "its load was made by mine.py .abc. on 2 workers; expected mine.py .abc. on 1 worker",
        ),
        (
            {"generator": {**MADE, "locustfile": None}},
            "its load was made by the bundled users on 1 worker",
        ),
        (
            {"generator": {**MADE, "locustfile": {"name": "mine.py", "sha256": "def"}}},
            "its load was made by mine.py .def.",
        ),
    ],
)
def test_an_invalid_baseline_is_refused(tmp_path, changed, says):
    with pytest.raises(BadInput, match=f"--baseline before: {says}"):
        Baseline.of(recorded(tmp_path, **changed), PROFILE, 0.1, generator=GENERATOR)


@pytest.mark.parametrize(
    "before",
    [None, {**MADE, "docker": True}, {**MADE, "locustfile": {"name": "moved.py", "sha256": "abc"}}],
)
def test_the_path_of_the_locustfile_does_not_change_the_load(tmp_path, before):
    assert (
        Baseline.of(recorded(tmp_path, generator=before), PROFILE, 0.1, generator=GENERATOR).rate
        == 100.0
    )


@pytest.mark.parametrize(
    ("changed", "damaged"),
    [
        ({"profile": []}, None),
        ({"profile": "much"}, "profile"),
        ({"verdict": ["PASSED"]}, "verdict"),
        ({"window": {"start": "much", "end": 9.0}}, "window.start"),
        ({"schema": "much"}, "schema"),
        ({"verdict": {"status": []}, "profile": None}, "verdict"),
        ({"figures": "much"}, "figures"),
        ({"figures": {"client": [1]}}, "figures.client"),
        ({"figures": {"client": {"rate": "much"}}}, "figures.client.rate"),
        (
            {"figures": {"client": {"latency_including_waiting_seconds": {"p99": "much"}}}},
            "figures.client.latency_including_waiting_seconds.p99",
        ),
    ],
)
def test_a_damaged_baseline_is_refused_before_the_run(tmp_path, changed, damaged):
    before = recorded(tmp_path)
    run_json.write(before, run_json.content(before) | changed)
    with pytest.raises(
        BadInput,
        match=rf"its run\.json is damaged \({damaged}\)" if damaged else "played another load",
    ):
        Baseline.of(before, PROFILE, tolerance=0.1, seconds=9)
