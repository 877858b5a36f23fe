"""The phases of a test, and the requests outside its load."""

import pytest
from locust_exporter.counting import sanitize
from locust_exporter.counting.in_flight import InFlight
from locust_exporter.counting.load_phase import OUTSIDE_LOAD, LoadPhase


@pytest.fixture
def clock():
    return iter(range(100, 200))


@pytest.fixture
def load(clock):
    return LoadPhase(lambda: next(clock))


def unread():
    raise AssertionError("the time was read, which clients may report as they like")


def test_the_load_begins_after_the_set_up(load):
    assert not load.includes(unread)
    load.begin_setup()
    assert load.is_setting_up
    assert not load.includes(unread)
    load.begin()
    assert load.includes(unread)
    assert (load.setup_seconds, load.teardown_seconds) == (1, None)


def test_requests_under_way_at_the_stop_belong_to_the_load(load):
    load.begin_setup()
    load.begin()
    load.stop()
    assert load.includes(lambda: load.stopped - 1)
    assert not load.includes(lambda: load.stopped + 1)
    load.end()
    assert load.teardown_seconds == 1


def test_a_second_stop_changes_nothing(load):
    load.begin_setup()
    load.begin()
    load.stop()
    stopped = load.stopped
    load.stop()
    assert load.stopped == stopped


def test_the_second_test_has_times_of_its_own(load):
    for _ in range(2):
        load.begin_setup()
        assert (load.began, load.stopped, load.ended, load.exit_code) == (None,) * 4
        load.begin()
        load.stop()
        load.end()
        load.exit(1)


def test_requests_outside_are_counted_by_phase(load):
    load.count_outside()
    load.begin_setup()
    load.count_outside()
    load.begin()
    load.stop()
    load.count_outside()
    assert load.requests == {"setup": 2, "teardown": 1}


def test_locusts_statistics_hold_the_load_alone():
    logged = []
    log_request = sanitize.sanitized_log_request(lambda *request: logged.append(request))
    log_error = sanitize.sanitized_log_error(lambda *error: logged.append(error))
    for outside in (True, False):
        token = OUTSIDE_LOAD.set(outside)
        log_request(None, "GET", "/", 5, 0)
        log_error(None, "GET", "/", "gone")
        OUTSIDE_LOAD.reset(token)
    assert logged == [(None, "GET", "/", 5, 0), (None, "GET", "/", "gone")]


def test_a_request_of_the_set_up_starves_nobody():
    in_flight, counted = InFlight(), []
    in_flight.is_load_on = lambda: False
    in_flight.count_outside = lambda: counted.append(1)

    def killed(_session):
        assert in_flight.snapshot(0).requests == 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_flight.tracked(killed)(object())
    assert in_flight.abandoned == {"in_flight": 0, "unreported": 0}
    assert counted == [1]
