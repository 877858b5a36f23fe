"""Twelve built bottlenecks, and what is said where the evidence does not suffice."""

from dataclasses import replace

import pytest

from firedrill.diagnosis.diagnose import diagnose
from firedrill.diagnosis.evidence import HandlerWindow, StageSeries
from tests.unit.diagnosis.built_systems import (
    CLOSED,
    FREE,
    OPEN,
    RISE,
    SECONDS,
    evidence,
    handler,
    model,
    points,
    stage,
)

FOUR_THREADS = {"threads": 4, "connection_limit": 1000}
AS_IT_COMES = {"threads": 4, "connection_limit": 100}
FULL_WORKERS = stage(1.0, 140.0, 4.0)
FULL_CONNECTIONS = stage(1.0, 102.0, 98.0)

CASES = {
    "workers": evidence(
        {"workers": FULL_WORKERS}, handler=handler(73.0, 0.055), settings=FOUR_THREADS
    ),
    "connections": evidence({"connections": FULL_CONNECTIONS}, handler=handler(120.0, 0.055)),
    "backlog": evidence({"backlog": stage(1.0, 8.0, 16.0)}, handler=handler(120.0, 0.055)),
    "cpu": evidence(
        {"workers": stage(1.0, 60.0, 20.0), "cpu": stage(0.98, 0.012)},
        handler=handler(100.0, 0.19, cpu=0.98, quiet_seconds=0.01),
        model=model(0.19, cpu=0.0097),
        handler_seconds=0.19,
    ),
    "lock": evidence(
        {"workers": stage(1.0, 60.0, 20.0)},
        handler=handler(33.0, 0.6, quiet_seconds=0.03),
        model=model(0.6),
        handler_seconds=0.6,
    ),
    "downstream": evidence(
        {"workers": stage(0.95, 0.0, 64.0)},
        handler=handler(200.0, 0.3, quiet_seconds=0.03),
        model=model(0.3),
        handler_seconds=0.3,
    ),
    "file descriptors": evidence(
        {"file_descriptors": stage(1.0, 90.0, 128.0)}, handler=handler(120.0, 0.055)
    ),
    "workers and connections": evidence(
        {"workers": FULL_WORKERS, "connections": FULL_CONNECTIONS},
        handler=handler(73.0, 0.055),
        settings=AS_IT_COMES,
    ),
    "generator": evidence({"generator": stage(0.99, 0.6, None)}, handler=handler(150.0, 0.055)),
    "nothing": evidence(),
    "blocked event loop": evidence(
        without=("workers",),
        handler=handler(50.0, 0.02, quiet_seconds=0.02, quiet_rate=10.0),
        in_flight=points(1.0, 160.0),
        model=model(0.02),
        handler_seconds=0.02,
        settings={},
    ),
    "slow clients": evidence(
        {"workers": stage(1.0, 40.0, 4.0)},
        without=("connections",),
        handler=handler(8.0, 0.01, quiet_seconds=0.01, quiet_rate=4.0),
        model=model(0.5),
        handler_seconds=0.01,
        settings={"threads": 4},
    ),
}
EXPECTED = {
    "workers": ("workers", "threads"),
    "connections": ("connections", "connections"),
    "backlog": ("backlog", "backlog"),
    "cpu": ("cpu", "processes"),
    "lock": ("downstream", "downstream"),
    "downstream": ("downstream", "downstream"),
    "file descriptors": ("file_descriptors", "file_descriptors"),
    "workers and connections": ("workers", "threads"),
    "generator": ("generator", "generator"),
    "nothing": (None, "none"),
    "blocked event loop": ("event_loop", "asynchronous"),
    "slow clients": ("workers", "threads"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_built_bottleneck_is_named_with_its_remedy(case):
    found = diagnose(CASES[case])
    assert (found.bottleneck, found.remedy) == EXPECTED[case], found.findings


def roles(found):
    return {use.stage: use.role for use in found.stages}


def test_full_connections_in_front_of_workers_are_the_next_limit():
    """200 users keep a connection each, so 98 would be too few without the wait for workers."""
    found = diagnose(CASES["workers and connections"])
    assert roles(found)["connections"] == "next_limit"
    assert dict(found.settings) == {"threads": 20, "connection_limit": 242}
    assert any("Next limit: the connection limit" in text for text in found.findings)


def test_full_connections_that_suffice_are_a_consequence():
    """Independent arrivals fill the connections only while they wait for a worker."""
    found = diagnose(
        evidence(
            {"workers": FULL_WORKERS, "connections": FULL_CONNECTIONS},
            profile=OPEN,
            handler=handler(73.0, 0.055),
            settings=AS_IT_COMES,
        )
    )
    assert (found.bottleneck, roles(found)["connections"]) == ("workers", "consequence")
    assert set(found.settings) == {"threads"}


def test_full_workers_before_a_full_cpu_are_a_consequence():
    assert roles(diagnose(CASES["cpu"]))["workers"] == "consequence"


def test_full_use_without_anything_waiting_is_no_bottleneck():
    found = diagnose(evidence({"workers": stage(1.0, 0.0, 4.0)}))
    assert found.bottleneck is None


def test_waiting_in_front_of_a_stage_with_room_is_no_bottleneck():
    assert diagnose(evidence({"workers": stage(0.8, 30.0, 20.0)})).bottleneck is None


def test_a_stage_that_is_full_for_a_moment_is_no_cause():
    """Five seconds of full CPU as the users come, before forty seconds of full workers."""
    burst = {float(time): 1.0 if RISE <= time < RISE + 5 else 0.2 for time in range(SECONDS)}
    found = diagnose(
        evidence(
            {
                "workers": FULL_WORKERS,
                "cpu": StageSeries(burst, points(0.01, 0.01), 1.0),
            },
            handler=handler(73.0, 0.055),
            settings=FOUR_THREADS,
        )
    )
    assert found.bottleneck == "workers"


def test_one_stalled_second_saturates_nothing():
    stalled = {**points(0.1, 0.2), 20.0: 1.0}
    found = diagnose(evidence({"workers": StageSeries(stalled, points(5.0, 5.0), 4.0)}))
    assert found.bottleneck is None


def test_saturation_begins_with_the_first_of_two_full_windows():
    found = diagnose(CASES["workers"])
    (workers,) = [use for use in found.stages if use.stage == "workers"]
    assert (workers.saturated_after_seconds, workers.saturated_seconds) == (RISE, SECONDS - RISE)


def test_a_slow_period_at_equal_load_is_no_lock():
    """The handler became slow while the load stayed: nothing shows what it waits for."""
    slow = [
        HandlerWindow(float(time), 50.0 if time < RISE else 45.0, 0.05 if time < RISE else 0.4, 0.1)
        for time in range(SECONDS)
    ]
    found = diagnose(evidence({"workers": FULL_WORKERS}, handler=slow))
    assert found.bottleneck == "workers"
    assert any("no step with a low load" in text for text in found.missing)


def test_handlers_that_slow_down_with_the_cpu_are_no_lock():
    assert diagnose(CASES["cpu"]).bottleneck == "cpu"


def test_cpu_that_others_take_is_no_lock():
    """Threads wait for a core, and the API itself uses little."""
    found = diagnose(
        evidence(
            {"workers": stage(1.0, 60.0, 20.0), "cpu": stage(0.97, 0.05)},
            handler=handler(80.0, 0.3, cpu=0.6, lag=0.05, quiet_seconds=0.02),
            model=model(0.3, cpu=0.009),
            handler_seconds=0.3,
        )
    )
    assert found.bottleneck == "cpu"
    assert "other work on the machine" in found.findings[0]


def test_what_was_not_measured_is_named():
    found = diagnose(evidence(without=("workers", "connections"), settings={}))
    assert roles(found)["workers"] == "unknown"
    assert any("Not measured: connections, workers" in text for text in found.missing)


def test_a_target_without_metrics_is_not_guessed_at():
    found = diagnose(
        evidence(
            without=tuple(name for name in FREE if name != "generator"),
            handler=(),
            model=None,
            handler_seconds=None,
            processes=None,
            settings={},
        )
    )
    assert found.bottleneck is None
    assert "not known: backlog, file descriptors, connections, workers, cpu" in found.findings[0]


def test_no_setting_is_advised_without_the_offered_rate():
    found = diagnose(
        evidence(
            {"workers": FULL_WORKERS},
            handler=handler(73.0, 0.055),
            model=model(think=None),
            settings=FOUR_THREADS,
        )
    )
    assert (found.bottleneck, found.advice, found.prediction) == ("workers", (), None)
    assert any("rate that these users offer is not known" in text for text in found.missing)


def test_processes_beyond_the_cores_are_not_promised():
    found = diagnose(CASES["cpu"])
    assert found.prediction is None
    assert any("2 cores" in text for text in found.missing), found.missing


def test_all_cores_in_use_call_for_less_work():
    found = diagnose(replace(CASES["cpu"], processes=2, cores=2.0))
    assert "less work or more cores" in found.findings[0]


def test_slow_clients_are_told_from_slow_handlers():
    assert "slow clients hold the rest" in diagnose(CASES["slow clients"]).findings[0]


def test_a_run_without_any_sample_has_a_diagnosis():
    found = diagnose(
        evidence(
            without=tuple(FREE),
            profile=CLOSED,
            handler=(),
            in_flight={},
            model=None,
            handler_seconds=None,
            generator_cpu_seconds=None,
            processes=None,
            peak_users=0.0,
        )
    )
    assert "No stage of the API was measured" in found.findings[0]


def test_an_api_without_metrics_is_told_how_to_get_them():
    api = tuple(name for name in FREE if name not in {"generator", "slots"})
    found = diagnose(evidence(without=api, settings={}))
    assert any("instrument it" in text for text in found.missing)
    assert not any("instrument it" in text for text in diagnose(evidence()).missing)
