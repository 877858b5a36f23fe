"""The judgement of a trial: steady state, precision of a share, growing queues."""

import random

import pytest

from firedrill.capacity.steady_state import share_interval, significant_slope, warmup_points
from firedrill.capacity.trial import Counts, goodput, judge
from firedrill.profile import Slo
from tests.unit.capacity.simulated_server import SLO, SimulatedServer


def counts(rows, slo=SLO):
    """Return counts of each second from (answered, slow, mean, waiting, overdue, dropped)."""
    answered = slow = seconds = dropped = 0
    found = [Counts(0.0, 0, 0.0, dict.fromkeys(slo.latency_seconds, 0), 0, 0, 0, {"p99": 0})]
    for at, (more, slower, mean, waiting, overdue, lost) in enumerate(rows, start=1):
        answered, slow, seconds = answered + more, slow + slower, seconds + more * mean
        dropped += lost
        found.append(
            Counts(
                float(at), answered, seconds, {"p99": slow}, 0, dropped, waiting, {"p99": overdue}
            )
        )
    return found


def test_the_warmup_ends_where_the_values_settle():
    assert warmup_points([9, 5, 2, *[1.0, 1.1, 0.9] * 5]) == 3
    assert warmup_points([1.0, 1.1, 0.9] * 4) == 0
    assert warmup_points([5, 1]) == 0


def test_half_of_a_trial_is_left_at_least():
    assert warmup_points([8, 7, 6, 5, 4, 3, 2, 1]) <= 4


def test_interval_of_a_share_holds_it():
    low, high = share_interval([1] * 10, [100] * 10)
    assert low < 0.01 < high
    assert share_interval([0] * 10, [100] * 10)[0] == pytest.approx(0)
    assert share_interval([], []) == (0.0, 1.0)


def test_slow_requests_that_come_together_widen_the_interval():
    spread = share_interval([1] * 10, [100] * 10)
    together = share_interval([10, *[0] * 9], [100] * 10)
    assert together[1] - together[0] > spread[1] - spread[0]


def test_interval_of_a_share_is_right_in_most_samples():
    draw = random.Random(1)
    inside = 0
    for _ in range(200):
        parts = [sum(draw.random() < 0.02 for _ in range(50)) for _ in range(10)]
        low, high = share_interval(parts, [50] * 10)
        inside += low <= 0.02 <= high
    assert inside >= 190


def test_a_slope_that_may_be_chance_is_none():
    draw = random.Random(1)
    times = list(range(20))
    assert significant_slope(times, [draw.gauss(10, 3) for _ in times]) == 0
    slope = significant_slope(times, [3 * time + draw.gauss(0, 1) for time in times])
    assert slope == pytest.approx(3, rel=0.1)
    assert significant_slope([1, 2], [1, 9]) == 0
    assert significant_slope([1] * 9, [1] * 9) == 0


def test_a_slow_start_is_no_part_of_the_judgement():
    samples = counts([(100, 40, 0.4, 5, 0, 0), *[(100, 0, 0.05, 5, 0, 0)] * 9])
    judgement = judge(samples, SLO, 100)
    assert (judgement.holds, judgement.is_certain, judgement.warmup_seconds) == (True, True, 1.0)


def test_few_requests_leave_a_trial_uncertain():
    judgement = judge(counts([(10, 0, 0.05, 1, 0, 0)] * 8), SLO, 10)
    assert (judgement.holds, judgement.is_certain) == (True, False)


def test_trials_are_not_judged_too_early():
    assert judge(counts([(100, 0, 0.05, 5, 0, 0)] * 3), SLO, 100) is None
    assert judge([], SLO, 100) is None


@pytest.mark.parametrize(
    "row",
    [
        pytest.param((100, 30, 0.2, 5, 0, 0), id="slow answers"),
        pytest.param((100, 0, 0.05, 500, 90, 0), id="waiting for too long"),
        pytest.param((100, 0, 0.05, 5, 0, 40), id="dropped arrivals"),
    ],
)
def test_all_kinds_of_slow_requests_break_an_slo(row):
    judgement = judge(counts([row] * 8), SLO, 100)
    assert (judgement.holds, judgement.is_certain) == (False, True)
    assert "slower than 250 ms (p99 accepts 1.0 %)" in judgement.reason


def test_an_api_that_answers_nothing_breaks_its_slo():
    judgement = judge(counts([(0, 0, 0, at, at, 0) for at in range(8)]), SLO, 1)
    assert not judgement.holds
    judgement = judge(counts([(0, 0, 0, 1, 0, 0)] * 8), SLO, 1)
    assert (judgement.holds, judgement.reason) == (False, "no request was answered")


def test_a_queue_that_grows_breaks_even_a_patient_slo():
    patient = Slo(latency_seconds={"p99": 60.0})
    server = SimulatedServer(4, lambda _: 0.025, slo=patient)
    for rate, seconds in ((176, 15), (320, 8)):
        judgement = judge(server.counts(rate, seconds), patient, rate)
        assert not judgement.holds
        assert "requests in flight grew by" in judgement.reason


@pytest.mark.parametrize("seed", range(10))
def test_a_busy_server_within_its_capacity_does_not_grow(seed):
    patient = Slo(latency_seconds={"p99": 60.0})
    server = SimulatedServer(4, lambda draw: draw.expovariate(40), seed=seed, slo=patient)
    assert judge(server.counts(120, 15), patient, 120).holds


def test_goodput_leaves_out_slow_and_failed_requests():
    assert goodput(counts([(100, 30, 0.2, 5, 0, 0)] * 4)) == 70
    assert goodput([]) is None
