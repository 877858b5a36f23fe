"""Predictions: the simulated workload against exact results and measured runs; later runs."""

import math
from dataclasses import replace
from random import Random

import pytest

from firedrill.diagnosis import prediction, queueing
from firedrill.diagnosis.diagnose import diagnose
from firedrill.diagnosis.sentences import next_command, of_check, of_diagnosis
from firedrill.diagnosis.workload_simulation import Simulation
from firedrill.profile import OpenLoop, Step, load_profile
from firedrill.record.diagnosis import Diagnosis, Prediction, ServiceModel
from firedrill.record.run_document import ServerSetup
from tests.unit.diagnosis.built_systems import CLOSED, evidence, handler, model, stage
from tests.unit.healthy_run import HEALTHY, PROFILE, run_document

LAUNCH_SERVICE = ServiceModel(
    tuple(0.010 + 0.090 * (index + 0.5) / 100 for index in range(100)), 0.002, 0.75, 0.0014
)


@pytest.mark.parametrize(
    ("threads", "p99_seconds"), [(4, 2.1), (14, 0.191), (18, 0.145), (64, 0.128)]
)
def test_the_launch_profile_is_predicted_within_a_third(threads, p99_seconds):
    """The values were measured with waitress on two cores (p99 at the client)."""
    found = Simulation(load_profile("launch"), 85, LAUNCH_SERVICE, threads).run()
    assert found.p99_seconds == pytest.approx(p99_seconds, rel=0.3)


def test_the_achieved_rate_is_predicted_within_a_tenth():
    found = Simulation(load_profile("launch"), 85, LAUNCH_SERVICE, 18).run()
    assert found.rate == pytest.approx(156.8, rel=0.1)


def exponential(mean):
    return ServiceModel(
        tuple(-mean * math.log(1 - (index + 0.5) / 1000) for index in range(1000)), 0.0, None, None
    )


def test_independent_arrivals_wait_as_erlang_c_says():
    profile = replace(
        PROFILE,
        steps=(Step(0, 100, 100, 80.0),),
        open_loop=OpenLoop(100, poisson=True),
        duration_seconds=600,
    )
    found = Simulation(profile, 600, exponential(0.1), workers=10).run()
    # The response time of M/M/c, by its own distribution (Kleinrock 1975).
    assert found.p99_seconds == pytest.approx(m_m_c_response_p99(10, 80, 0.1), rel=0.1)
    assert found.rate == pytest.approx(80, rel=0.05)


def m_m_c_response_p99(servers, rate, service_seconds):
    random = Random(7)
    waiting = queueing.wait_probability(servers, rate * service_seconds)
    drain = servers / service_seconds - rate
    times = sorted(
        random.expovariate(1 / service_seconds)
        + (random.expovariate(drain) if random.random() < waiting else 0.0)
        for _ in range(40_000)
    )
    return times[int(0.99 * len(times))]


def test_users_without_a_connection_wait_for_ever():
    found = Simulation(load_profile("launch"), 85, LAUNCH_SERVICE, 64, 98).run()
    assert found.p99_seconds > 30


def test_a_full_pool_limits_the_rate():
    found = Simulation(CLOSED, 50, LAUNCH_SERVICE, 4).run()
    assert found.rate < 4 / LAUNCH_SERVICE.mean_seconds


def test_a_long_run_is_simulated_in_proportion():
    """Eight hours have the same steps as a minute, and the same figures."""
    steps = (Step(0, 10, 10), Step(14_400, 200, 200))
    long = replace(CLOSED, steps=steps, duration_seconds=28_800, warmup_seconds=60)
    found = Simulation(long, 28_800, LAUNCH_SERVICE, 18).run()
    assert found.rate == pytest.approx((10 + 200) / 2 / 0.807, rel=0.05)


def test_nothing_is_predicted_without_a_think_time():
    assert Simulation(CLOSED, 50, model(think=None), 4).run() is None


WAITRESS = ServerSetup("waitress", threads=18, connection_limit=242)
PREDICTED = Prediction("closed", {"threads": 18, "connection_limit": 242}, 0.11, 98.0)


def predicting(**changed):
    """An earlier run that predicts."""
    known = {
        "id": "before",
        "started": "2026-11-30T10:00:00",
        "server": ServerSetup("waitress"),
        "diagnosis": Diagnosis("workers", "threads", (), prediction=PREDICTED),
    }
    return run_document(**known | changed)


LATER = run_document(id="after", started="2026-11-30T11:00:00", server=WAITRESS)


def test_a_later_run_is_compared_with_its_prediction():
    found = prediction.check(LATER, [predicting()])
    assert (found.run, found.p99_seconds, found.rate) == ("before", 0.1, HEALTHY.client.rate)
    assert of_check(found) == (
        "Run before predicted p99 110 ms and 98.0/s for this setting; measured 100 ms (-9 %) and"
        " 100.0/s (+2 %)."
    )
    assert of_check(found) in of_diagnosis(Diagnosis(None, "none", (), check=found))


@pytest.mark.parametrize(
    "changed",
    [
        {"diagnosis": None},
        {"server": ServerSetup("dev")},
        {"id": "after"},
        {"started": "2026-11-30T12:00:00"},
        {"profile": replace(PROFILE, name="another")},
        {"diagnosis": Diagnosis("workers", "threads", ())},
        {
            "diagnosis": Diagnosis(
                "workers", "threads", (), prediction=replace(PREDICTED, settings={"threads": 20})
            )
        },
    ],
)
def test_a_run_of_something_else_predicts_nothing(changed):
    assert prediction.check(LATER, [predicting(**changed)]) is None


def test_the_latest_prediction_counts():
    newer = predicting(id="newer", started="2026-11-30T10:30:00")
    assert prediction.check(LATER, [newer, predicting()]).run == "newer"


def test_following_the_advice_is_one_command():
    found = diagnose(
        evidence(
            {"workers": stage(1.0, 140.0, 4.0)},
            handler=handler(73.0, 0.055),
            settings={"threads": 4, "connection_limit": 1000},
        )
    )
    document = run_document(server=ServerSetup("waitress"), diagnosis=found)
    assert next_command(document) == "firedrill run launch --threads 20 --connection-limit 1000"


def test_the_advice_states_the_numbers_that_it_follows_from():
    found = diagnose(
        evidence(
            {"workers": stage(1.0, 140.0, 4.0)},
            handler=handler(73.0, 0.055),
            settings={"threads": 4, "connection_limit": 1000},
        )
    )
    (advice,) = found.advice
    assert (advice.at_least, advice.recommended) == (14, 20)
    assert "busy on average at 248/s x 55 ms" in advice.derivation
    assert "M/M/c, Erlang C" in advice.derivation


def test_threads_are_divided_among_the_processes():
    """Two processes of gunicorn need half of the threads each, and are predicted as one pool."""
    stages = {"workers": stage(1.0, 140.0, 4.0)}
    busy = handler(73.0, 0.055)
    one = diagnose(evidence(stages, handler=busy, settings={"threads": 4}))
    two = diagnose(evidence(stages, handler=busy, settings={"threads": 2, "processes": 2}))
    assert two.settings["threads"] == one.settings["threads"] / 2
    assert two.prediction.p99_seconds == one.prediction.p99_seconds
    document = run_document(server=ServerSetup("gunicorn", processes=2, threads=2), diagnosis=two)
    assert next_command(document) == (
        "firedrill run launch --server gunicorn --threads 10 --processes 2"
    )
