"""Faults on the real API: each does what it says and ends by itself; none can be set where nobody asked for it."""

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import requests

from api.factory import create_app
from api.settings import Settings
from firedrill.faults import FaultClient
from tests.drilling import FIREDRILL
from tests.integration.api.api_process import module
from tests.waiting import poll_until

PATH = "/items/1"


@pytest.fixture(scope="module", params=["waitress", "dev"])
def either(request):
    """An API that takes faults, on each server."""
    with module(request.param, "--faults") as api:
        yield api


@pytest.fixture(scope="module")
def shared():
    with module("waitress", "--faults") as api:
        yield api


@pytest.fixture
def api(shared):
    """An API that takes faults, with none set."""
    faults_of(shared).clear()
    return shared


def faults_of(api):
    return FaultClient(api.metrics.removesuffix("/metrics"))


def seconds_of(api, path=PATH):
    begun = time.monotonic()
    assert api.get(path).ok
    return time.monotonic() - begun


def status(api, path=PATH):
    """The status of an answer, None if the connection is refused, or closed on the way."""
    try:
        return api.get(path).status_code
    except requests.RequestException:
        return None


def ended(api):
    poll_until(lambda: not faults_of(api).active(), "the faults to end", timeout_seconds=5)


def test_latency_is_added_to_the_handler_s_time_but_not_to_health_checks(api):
    before = api.page().total("http_server_request_duration_seconds_sum", http_route="/items/<int:id>")
    faults_of(api).set({"latency": 0.3}, 0.8)
    assert seconds_of(api) >= 0.3
    assert seconds_of(api, "/healthz") < 0.3
    assert seconds_of(api, "/readyz") < 0.3
    ended(api)
    assert seconds_of(api) < 0.3
    assert 0.3 <= api.page().total("http_server_request_duration_seconds_sum", http_route="/items/<int:id>") - before < 0.6


def test_the_share_of_errors_is_the_one_that_was_asked_for(api):
    faults_of(api).set({"errors": 0.2}, 60)
    with requests.Session() as session:
        statuses = [session.get(api.url + PATH, timeout=5).status_code for _ in range(100)]
        assert {session.get(api.url + "/healthz", timeout=5).status_code for _ in range(10)} == {200}
    assert 18 <= statuses.count(500) <= 22
    assert set(statuses) == {200, 500}
    faults_of(api).clear()
    assert {status(api) for _ in range(10)} == {200}


def test_stuck_workers_hold_their_request_until_the_fault_ends(api):
    faults_of(api).set({"stuck": 3}, 1.2)
    with ThreadPoolExecutor(5) as clients:
        took = sorted(clients.map(lambda _: seconds_of(api), range(5)))
    assert took[1] < 0.6, "the fourth worker serves what the others do not"
    assert took[2] > 0.8
    assert seconds_of(api) < 0.6


def test_stuck_workers_count_as_busy(api):
    faults_of(api).set({"stuck": 2}, 30)
    with ThreadPoolExecutor(2) as clients:
        waiting = [clients.submit(seconds_of, api) for _ in range(2)]
        poll_until(lambda: api.page().value("http_server_workers_busy") == 2, "two workers to be busy")
        assert seconds_of(api, "/readyz") < 5
        faults_of(api).clear()
        assert all(each.result(5) < 10 for each in waiting)
    poll_until(lambda: api.page().value("http_server_workers_busy") == 0, "them to be free again")


def test_cpu_is_burned_in_the_api_s_process(api):
    def seconds():
        return api.page().value("process_cpu_seconds_total")

    threads = api.page().value("python_threads")
    faults_of(api).set({"cpu": 0.5}, 1)
    before = seconds()
    ended(api)
    burned = seconds() - before
    assert 0.2 < burned < 0.9
    poll_until(lambda: api.page().value("python_threads") == threads, "the burning thread to end")


def test_memory_grows_and_is_given_back(api):
    def resident():
        return api.page().value("process_resident_memory_bytes")

    before = resident()
    faults_of(api).set({"memory": 60e6}, 1)
    poll_until(lambda: resident() > before + 30e6, "the process to grow", timeout_seconds=2)
    ended(api)
    poll_until(lambda: resident() < before + 10e6, "the memory to be given back", timeout_seconds=2)


def test_a_stopped_api_refuses_hangs_up_and_leaves_scrapes_unanswered_until_it_comes_back(either):
    faults, scraper = faults_of(either), {"User-Agent": "Prometheus/2.42.0"}
    backlog = either.page().values("tcp_listen_backlog_limit")
    with requests.Session() as session:
        session.get(either.url + PATH, timeout=5)
        faults.set({"stop": 1.0}, 1)
        poll_until(lambda: status(either) is None, "connections to be refused", timeout_seconds=1)
        with pytest.raises(requests.ConnectionError):
            session.get(either.url + PATH, timeout=5)
    last = requests.get(either.metrics, headers=scraper, timeout=5).text
    assert 'api_fault_active{fault="stop"} 1.0' in last
    with pytest.raises(requests.ConnectionError):
        requests.get(either.metrics, headers=scraper, timeout=5)
    assert faults.active()[0].fault == "stop"
    poll_until(lambda: status(either) == 200, "the API to come back", timeout_seconds=5)
    poll_until(lambda: not faults.active(), "the fault to be over")
    assert seconds_of(either) < 1
    assert either.page().values("tcp_listen_backlog_limit") == backlog


def test_a_stopped_api_comes_back_again_and_again(either):
    for _ in range(3):
        faults_of(either).set({"stop": 1.0}, 0.2)
        poll_until(lambda: status(either) is None, "connections to be refused", timeout_seconds=1)
        poll_until(lambda: status(either) == 200, "the API to come back", timeout_seconds=5)


def test_active_faults_are_on_the_page_with_their_size_and_the_others_are_0(api):
    faults_of(api).set({"latency": 0.3, "errors": 0.2}, 30)
    page = api.page()
    assert [page.value("api_fault_active", fault=fault) for fault in ("latency", "errors", "cpu", "stop")] == [0.3, 0.2, 0, 0]
    faults_of(api).clear()
    assert sum(api.page().values("api_fault_active")) == 0


def test_a_fault_ends_even_when_the_page_that_set_it_is_killed():
    with module("waitress", "--faults") as api:
        faults_of(api).set({"latency": 0.3}, 1)
        (page,) = psutil.Process(api.process.pid).children()
        page.kill()
        assert seconds_of(api) >= 0.3
        poll_until(lambda: seconds_of(api) < 0.3, "the latency to end", timeout_seconds=3)


def test_faults_are_off_by_default_and_nowhere_on_the_api_s_own_port(api):
    body = {"stop": {"for_seconds": 60}}
    assert requests.post(f"{api.url}/faults", json=body, timeout=5).status_code == 404
    with module("waitress") as plain:
        page = plain.metrics.removesuffix("/metrics")
        assert {requests.request(how, f"{page}/faults", json=body, timeout=5).status_code for how in ("GET", "POST", "DELETE")} == {404}
        assert "fault" not in plain.page().text
        code, _, errors = firedrill("set", "stop", "--for", "1s", "--url", page)
    assert code == 3
    assert "start it with API_FAULTS=1, or `python -m api --faults`" in errors


def test_where_faults_are_off_nothing_stands_in_a_request_s_way():
    app = create_app(Settings(metrics_port=0))
    app.extensions["firedrill"].close()
    assert app.before_request_funcs == {}


def firedrill(*words):
    done = subprocess.run([FIREDRILL, "fault", *words], capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    return done.returncode, done.stdout, done.stderr


def test_the_command_line_sets_lists_and_clears(api):
    url = ("--url", api.metrics.removesuffix("/metrics"))
    assert firedrill("set", "latency=300ms", "errors=20%", "--for", "30s", *url)[:2] == (
        0,
        "latency 300 ms, 30 s left\nerrors 20 %, 30 s left\n",
    )
    code, listed, _ = firedrill("list", "--json", *url)
    assert (code, [(each["fault"], each["size"]) for each in json.loads(listed)]) == (0, [("latency", 0.3), ("errors", 0.2)])
    assert firedrill("clear", *url)[0] == 0
    assert firedrill("list", *url)[1] == "no fault is set\n"
