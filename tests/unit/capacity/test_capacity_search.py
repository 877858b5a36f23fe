"""The search for the capacity, against simulated servers of known capacity."""

import pytest

from firedrill.capacity.search import Ending, Outcome, OutOfTime, Phase, Search
from firedrill.profile import Slo
from tests.unit.capacity.simulated_server import SimulatedServer


def threshold(capacity, asked=None):
    """Return a `play` whose SLO breaks above a capacity."""

    def play(probe):
        if asked is not None:
            asked.append(probe)
        return Outcome.HELD if probe.rate <= capacity else Outcome.BROKEN

    return play


@pytest.mark.parametrize("capacity", [1, 1.3, 7, 10, 73, 160, 2345])
def test_the_bracket_holds_the_capacity_within_a_step(capacity):
    search = Search(threshold(capacity))
    assert search.run() is Ending.FOUND
    assert search.held <= capacity < search.failed <= 1.0501 * search.held
    assert search.is_confirmed


def test_found_rate_is_repeated_and_exceeded():
    asked = []
    Search(threshold(73, asked)).run()
    phases = [probe.phase for probe in asked]
    assert phases[-4:] == [Phase.CONFIRMATION] * 3 + [Phase.ABOVE]
    assert phases.count(Phase.RAMP) == 4  # 10, 20, 40, 80
    assert len(asked) < 15


def test_an_slo_that_one_a_second_breaks_has_no_capacity():
    search = Search(threshold(0.5))
    assert search.run() is Ending.UNSUSTAINABLE
    assert (search.held, search.failed) == (None, 1.0)


def test_highest_rate_of_the_generator_is_a_lower_bound():
    search = Search(threshold(10_000), highest_rate=500)
    assert search.run() is Ending.HIGHEST_RATE
    assert (search.held, search.failed) == (500, None)


def test_a_limit_of_the_generator_is_told_apart():
    def play(probe):
        return Outcome.HELD if probe.rate <= 300 else Outcome.LIMITED

    search = Search(play)
    search.run()
    assert search.failed_by_generator
    assert 285 <= search.held <= 300


def test_a_trial_that_failed_by_chance_is_corrected():
    asked = []

    def play(probe):
        asked.append(probe)
        stalled = len(asked) == 3  # 40/s
        return Outcome.HELD if probe.rate <= 200 and not stalled else Outcome.BROKEN

    search = Search(play)
    assert search.run() is Ending.FOUND
    assert 190 <= search.held <= 200


def test_a_trial_that_held_by_chance_is_corrected():
    def play(probe):
        lucky = probe.phase is Phase.RAMP and probe.rate == 160
        return Outcome.HELD if probe.rate <= 100 or lucky else Outcome.BROKEN

    search = Search(play)
    assert search.run() is Ending.FOUND
    assert 95 <= search.held <= 100


def test_contradictions_without_end_are_given_up():
    outcomes = iter([Outcome.HELD, Outcome.BROKEN] * 1000)
    search = Search(lambda _: next(outcomes))
    assert search.run() in {Ending.UNSETTLED, Ending.FOUND, Ending.UNSUSTAINABLE}


@pytest.mark.parametrize("trials", range(1, 11))
def test_a_search_that_ends_early_keeps_its_bracket(trials):
    asked = []

    def play(probe):
        if len(asked) == trials:
            raise OutOfTime
        asked.append(probe)
        return Outcome.HELD if probe.rate <= 73 else Outcome.BROKEN

    search = Search(play)
    assert search.run() is Ending.OUT_OF_TIME
    held = [probe.rate for probe in asked if probe.rate <= 73]
    failed = [probe.rate for probe in asked if probe.rate > 73]
    assert search.held == max(held)
    assert search.failed == min(failed, default=None)


FOUR_SYSTEMS = {
    "4 workers of 25 ms": (4, lambda _: 0.025, 160),
    "8 workers of 40 ms": (8, lambda _: 0.040, 200),
    "one worker of 5 ms": (1, lambda _: 0.005, 200),
    "10 to 100 ms on 4 workers": (4, lambda draw: draw.uniform(0.01, 0.1), 72.7),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("system", FOUR_SYSTEMS)
def test_capacity_of_simulated_servers_is_near_theory(system, seed):
    workers, service, capacity = FOUR_SYSTEMS[system]
    server = SimulatedServer(workers, service, seed=seed)
    search = Search(server.play)
    assert search.run() is Ending.FOUND
    assert 0.9 * capacity <= search.held <= 1.02 * capacity
    assert server.seconds < 300


def test_errors_alone_can_limit_a_rate():
    server = SimulatedServer(4, lambda _: 0.025, error_ratio=0.3, slo=Slo(error_ratio=0.01))
    assert Search(server.play).run() is Ending.UNSUSTAINABLE
