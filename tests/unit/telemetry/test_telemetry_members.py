"""The metrics of several processes are added up, those of ended ones included."""

import json
import os

import pytest

from firedrill.contract import Server
from firedrill.telemetry.application.identity import Process, process
from firedrill.telemetry.application.members import Member, Members
from firedrill.telemetry.metrics_process import ServerMetrics
from firedrill.telemetry.shared_cells import BUSY_SINCE, FINISHED_BUSY, SAMPLED_AT, Cells, observe
from tests.scraped_metrics import parse

pytestmark = pytest.mark.usefixtures("clock")

ENDED = Process(1, 1)
"""A process id that is in use, with a start that is not that process's."""


def counting(requests, active=0, **more):
    """The cells of a process that has counted so many requests."""
    cells = Cells.create()
    cells.add(cells.reserve(Server.RUN_REQUESTS, ("a",)), requests)
    cells.add(cells.reserve(Server.ACTIVE_REQUESTS, ("GET",)), active)
    first = cells.reserve(Server.ALL_REQUEST_DURATION)
    for _ in range(requests):
        observe(cells.values, first, Server.ALL_REQUEST_DURATION.bounds, 0.1)
    cells.set_constant(cells.reserve(Server.BUILD_INFO, ("7",)), 1)
    cells.set_constant(cells.reserve(Server.WORKERS_LIMIT), 2)
    return cells


def member(cells, runs_as=None):
    return Member(cells, runs_as or process(os.getpid()))


def application(*parts):
    members = Members()
    for part in parts:
        members.add(part)
    return members


def scrape(members):
    return parse(ServerMetrics(members).render(for_prometheus=False).decode())


def test_counts_and_gauges_are_added_up_and_constants_are_not():
    metrics = scrape(application(member(counting(3, active=1)), member(counting(4, active=2))))
    assert metrics.value("firedrill_run_requests_total", run_id="a") == 7
    assert metrics.value("http_server_all_request_duration_seconds_count") == 7
    assert metrics.total("http_server_active_requests") == 3
    assert metrics.value("http_server_workers_limit") == 4
    assert metrics.value("api_build_info", version="7") == 1


def test_an_ended_process_leaves_its_counts_and_its_unfinished_requests():
    members = application(member(counting(3, active=2), ENDED), member(counting(4)))
    members.remove_ended()
    metrics = scrape(members)
    assert metrics.value("firedrill_run_requests_total", run_id="a") == 7
    assert metrics.value("http_server_all_request_duration_seconds_count") == 7
    assert metrics.total("http_server_active_requests") == 0
    assert metrics.value("http_server_unfinished_requests_total") == 2
    assert metrics.value("http_server_workers_limit") == 2
    assert metrics.value("api_processes") == 1


def test_a_process_that_publishes_no_longer_leaves_nothing_unfinished():
    mine = member(counting(3, active=1))
    members = application(mine)
    members.remove(mine)
    members.remove(mine)
    metrics = scrape(members)
    assert metrics.value("firedrill_run_requests_total", run_id="a") == 3
    assert metrics.value("http_server_unfinished_requests_total") == 0


def test_a_hundred_recycled_workers_cost_no_series():
    members = Members()
    for _ in range(100):
        members.add(member(counting(1), ENDED))
        members.remove_ended()
    members.add(member(counting(1)))
    assert scrape(members).value("firedrill_run_requests_total", run_id="a") == 101
    assert [each.slot for each in members.running] == [0]
    assert len(list(members.sources())) == 2


def test_a_new_process_takes_the_place_of_an_ended_one():
    members = application(member(counting(1), ENDED), member(counting(1)))
    members.remove_ended()
    members.add(member(counting(1)))
    assert sorted(each.slot for each in members.running) == [0, 1]


def test_counts_of_ended_processes_outlive_the_endpoint():
    """The next endpoint gets them back from the processes that run, from each of them."""
    first = application(member(counting(3), ENDED))
    first.remove_ended()
    cells = [counting(4), counting(5)]
    second = Members()
    for each in cells:
        message = json.dumps({"process": process(os.getpid()), "master": None}).encode()
        second.register(message, [os.dup(each.descriptor), os.dup(first.store.descriptor)])
    assert scrape(second).value("firedrill_run_requests_total", run_id="a") == 12
    second.add(member(counting(1), ENDED))
    second.remove_ended()
    assert scrape(second).value("firedrill_run_requests_total", run_id="a") == 13


def test_busy_workers_are_shown_together_and_by_process(clock):
    members = Members()
    for busy in (1, 2):
        cells = Cells.create()
        cells.values[cells.reserve(FINISHED_BUSY)] = 5.0
        cells.values[cells.reserve(SAMPLED_AT)] = clock() - busy
        for number in range(2):
            stamp = cells.reserve(BUSY_SINCE, (str(number),))
            cells.values[stamp] = clock() - 1 if number < busy else 0.0
        members.add(member(cells))
    metrics = scrape(members)
    assert metrics.value("http_server_workers_busy") == 3
    assert metrics.value("http_server_busy_seconds_total") == 13
    assert metrics.value("api_metrics_age_seconds") == 2
    assert [
        metrics.value("api_process_workers_busy", process=process) for process in ("0", "1")
    ] == [1, 2]


def test_an_application_is_over_when_its_master_has_ended_too():
    alone = application(member(counting(1)))
    assert not alone.are_over()
    (mine,) = alone.running
    alone.remove(mine)
    assert alone.are_over()
    recycled = application(Member(counting(1), ENDED, master=process(os.getpid())))
    recycled.remove_ended()
    assert not recycled.are_over()
    orphaned = application(Member(counting(1), ENDED, master=ENDED))
    orphaned.remove_ended()
    assert orphaned.are_over()


@pytest.mark.parametrize(
    "message", [b"", b"{", b"[]", b"{}", b'{"process": [1], "master": null}', b"\xff"]
)
def test_a_message_that_makes_no_sense_registers_nobody(message):
    members = Members()
    with pytest.raises((ValueError, TypeError, KeyError, OSError)):
        members.register(message, [os.dup(counting(1).descriptor)])
    assert members.running == []
