"""Faults in shared memory are set, listed and ended by requests."""

import io
import json
import os

import pytest

from firedrill.errors import BadInput
from firedrill.fault_kinds import FAULT_KINDS
from firedrill.telemetry.active_faults import (
    LARGEST_BODY_BYTES,
    ActiveFaults,
    answer,
    as_json,
    find,
    read_settings,
    share,
)
from firedrill.telemetry.shared_cells import Cells

pytestmark = pytest.mark.usefixtures("clock")

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def cells():
    return Cells.create()


@pytest.fixture
def faults(cells):
    return ActiveFaults.create(cells)


def attached(cells):
    """The cells as another process sees them."""
    return Cells.attach(os.dup(cells.descriptor))


def post(faults, body, **headers):
    sent = json.dumps(body).encode() if not isinstance(body, bytes) else body
    given = {**JSON, "Content-Length": str(len(sent)), **headers}
    status, reply = answer(faults, "POST", given, io.BytesIO(sent))
    return status.value, reply


def test_the_metrics_endpoint_finds_the_faults_of_the_application(cells):
    assert find([cells]) is None
    mine = ActiveFaults.create(cells)
    theirs = find([attached(cells)])
    theirs.set("latency", 0.3, 60)
    assert mine.size("latency") == 0.3
    assert mine.size("errors") == 0


def test_a_fault_acts_on_every_process_and_on_later_ones(clock):
    store, *processes = (Cells.create() for _ in range(4))
    faults = [ActiveFaults.create(cells) for cells in processes]
    share([store, *map(attached, processes[:2])])
    find(map(attached, processes[:2])).set("latency", 0.3, 60)
    assert [each.size("latency") for each in faults] == [0.3, 0.3, 0.0]
    clock.advance(1)
    share([store, attached(processes[0])])
    share([store, attached(processes[2])])  # the others have ended
    assert faults[2].size("latency") == 0.3
    assert faults[2].remaining_seconds("latency") == 59
    find([store, attached(processes[2])]).clear()
    assert faults[2].size("latency") == 0


def test_processes_without_room_for_faults_take_none():
    store, other = Cells.create(), Cells.create()
    share([store, attached(other)])
    assert (store.series(), other.series()) == ([], [])


def test_a_fault_ends_by_itself(faults, clock):
    faults.set("latency", 0.3, 30)
    clock.advance(29.999)
    assert faults.size("latency") == 0.3
    clock.advance(0.001)
    assert faults.size("latency") == 0
    assert as_json(faults) == {}


def test_a_fault_that_is_set_again_begins_anew(faults, clock):
    faults.set("errors", 0.2, 30)
    clock.advance(20)
    faults.set("errors", 0.5, 60)
    assert faults.size("errors") == 0.5
    assert faults.remaining_seconds("errors") == 60


def test_faults_are_set_listed_and_ended_by_request(faults, clock):
    status, reply = post(
        faults, {"latency": {"seconds": 0.3, "for_seconds": 30}, "stop": {"for_seconds": 5}}
    )
    assert (status, reply["latency"]["seconds"]) == (200, 0.3)
    clock.advance(1)
    assert as_json(faults)["latency"]["remaining_seconds"] == 29
    assert answer(faults, "GET", {}, io.BytesIO())[1].keys() == {"latency", "stop"}
    assert answer(faults, "DELETE", {}, io.BytesIO())[1] == {}
    assert as_json(faults) == {}


def test_one_mistake_among_several_faults_sets_none(faults):
    status, reply = post(
        faults,
        {"latency": {"seconds": 0.3, "for_seconds": 30}, "cpu": {"cores": 1000, "for_seconds": 30}},
    )
    assert (status, as_json(faults)) == (400, {})
    assert reply == {"error": "cpu.cores is 1000; expected a number above 0, 16 at most"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:9464"}, 403),
        ({"Content-Length": str(LARGEST_BODY_BYTES + 1)}, 413),
        ({"Content-Length": "-1"}, 411),
        ({"Content-Length": "many"}, 411),
        ({"Content-Length": "1" * 5000}, 411),
    ],
)
def test_cross_site_and_oversized_requests_are_refused(faults, headers, status):
    refused, reply = post(faults, {"stop": {"for_seconds": 5}}, **headers)
    assert (refused, as_json(faults)) == (status, {})
    assert "expected" in reply["error"]


def test_a_foreign_web_page_can_neither_see_nor_end_faults(faults):
    faults.set("latency", 0.3, 60)
    for method in ("GET", "DELETE"):
        assert answer(faults, method, {"Origin": "null"}, io.BytesIO())[0].value == 403
    assert faults.size("latency") == 0.3


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "the body is no JSON"),
        ("{", "the body is no JSON"),
        ("[" * 4000, "the body is no JSON"),
        ('{"stop": {"for_seconds": 1}, "stop": {"for_seconds": 2}}', "a key is given twice"),
        ("[]", "the body names no fault; expected an object with one or more of latency, errors"),
        ("{}", "the body names no fault"),
        ('{"latncy": {}}', "latncy is no fault; expected latency, errors"),
        ('{"latency": 3}', "latency is 3; expected an object with seconds and for_seconds"),
        (
            '{"latency": {"seconds": 1}}',
            'latency is {"seconds": 1}; expected an object with seconds and for_seconds',
        ),
        (
            '{"latency": {"seconds": 1, "for_seconds": 1, "x": 1}}',
            "expected an object with seconds and for_seconds",
        ),
        (
            '{"latency": {"seconds": "1", "for_seconds": 1}}',
            'latency.seconds is "1"; expected a number above 0, 60 at most',
        ),
        (
            '{"latency": {"seconds": true, "for_seconds": 1}}',
            "latency.seconds is true; expected a number above 0, 60 at most",
        ),
        (
            '{"latency": {"seconds": NaN, "for_seconds": 1}}',
            "latency.seconds is NaN; expected a number above 0",
        ),
        (
            '{"errors": {"ratio": 1.01, "for_seconds": 1}}',
            "errors.ratio is 1.01; expected a number above 0, 1 at most",
        ),
        (
            '{"stuck": {"workers": 1.5, "for_seconds": 1}}',
            "stuck.workers is 1.5; expected a whole number above 0",
        ),
        (
            '{"stop": {"for_seconds": 3601}}',
            "stop.for_seconds is 3601; expected a number above 0, 3600 at most",
        ),
        ('{"stop": {"for_seconds": 0}}', "stop.for_seconds is 0; expected a number above 0"),
    ],
)
def test_a_mistake_is_named_with_place_value_and_expectation(body, message):
    with pytest.raises(BadInput) as mistake:
        read_settings(body.encode())
    assert message in str(mistake.value)


def test_the_largest_size_and_time_of_every_kind_are_accepted():
    body = {
        fault: {
            **({kind.unit: int(kind.largest) if kind.whole else kind.largest} if kind.unit else {}),
            "for_seconds": 3600,
        }
        for fault, kind in FAULT_KINDS.items()
    }
    assert read_settings(json.dumps(body).encode()) == {
        fault: (kind.largest, 3600) for fault, kind in FAULT_KINDS.items()
    }
