"""How closely the faults of the example API keep to their size, and how soon they end."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.api.api_process import module
from tests.waiting import poll_until

PATH = "/items/1"
COUNT, SUM = (f"http_server_request_duration_seconds_{part}" for part in ("count", "sum"))


@pytest.fixture(scope="module", params=["waitress", "dev"])
def either(request):
    with module(request.param, "--faults") as api:
        yield api


@pytest.fixture(scope="module")
def api():
    with module("waitress", "--faults") as api:
        yield api


def seconds_of(api, path=PATH):
    begun = time.monotonic()
    assert api.get(path).ok
    return time.monotonic() - begun


def test_latency_is_the_size_asked_for(proof, api):
    faults, route = api.faults(), {"http_route": "/items/<int:id>"}
    added, spared, ended = (
        "handler with 0.3 s added (s)",
        "health check beside it (s)",
        "request after the end (s)",
    )

    def measure():
        before = api.scrape()
        faults.set({"latency": 0.3}, 60)
        seconds_of(api)
        check = max(seconds_of(api, "/healthz"), seconds_of(api, "/readyz"))
        after = poll_until(
            lambda: (
                (metrics := api.scrape()).total(COUNT, **route) > before.total(COUNT, **route)
                and metrics
            ),
            "the request",
        )
        faults.clear()
        handled = after.total(SUM, **route) - before.total(SUM, **route)
        return {added: handled, spared: check, ended: seconds_of(api)}

    proof.holds(
        measure, repeats=5, at_most={added: 0.6, spared: 0.3, ended: 0.3}, at_least={added: 0.3}
    )


def test_free_workers_serve_at_once_beside_stuck_ones(proof, api):
    free, held = (
        "second of two requests at the free worker (s)",
        "first request of three stuck workers (s)",
    )

    def measure():
        api.faults().set({"stuck": 3}, 1.2)
        with ThreadPoolExecutor(5) as clients:
            took = sorted(clients.map(lambda _: seconds_of(api), range(5)))
        return {free: took[1], held: took[2]}

    proof.holds(measure, repeats=3, at_most={free: 0.6}, at_least={held: 0.8})


def test_cpu_and_memory_grow_at_the_rate_asked_for(proof, api):
    faults, burned, grown = (
        api.faults(),
        "CPU burned a second of half a core (s)",
        "memory grown in 1 s of 60 MB/s (MB)",
    )

    def rate(fault, name):
        before, begun = api.scrape().value(name), time.monotonic()
        faults.set(fault, 60)
        poll_until(lambda: time.monotonic() >= begun + 1, "a second of load")
        after, ended = api.scrape().value(name), time.monotonic()
        faults.clear()
        return (after - before) / (ended - begun)

    def measure():
        grew = rate({"memory": 60e6}, "process_resident_memory_bytes") / 1e6
        return {burned: rate({"cpu": 0.5}, "process_cpu_seconds_total"), grown: grew}

    proof.holds(
        measure, repeats=3, at_most={burned: 0.9, grown: 90}, at_least={burned: 0.2, grown: 30}
    )


def test_a_stopped_api_is_back_soon(proof, either):
    gone, late, answer = (
        "stop to the first lost request (s)",
        "end of a stop of 1 s to an answer (s)",
        "first answers after it (s)",
    )

    def lost():
        return either.status(PATH) is None

    def measure():
        begun = time.monotonic()
        either.faults().set({"stop": 1.0}, 1)
        poll_until(lost, "requests to be lost", every_seconds=0.01)
        seconds_gone = time.monotonic() - begun
        poll_until(lambda: either.status(PATH) == 200, "the API to come back", every_seconds=0.01)
        return {gone: seconds_gone, late: time.monotonic() - begun - 1, answer: seconds_of(either)}

    proof.holds(measure, repeats=3, at_most={gone: 0.9, late: 1.0, answer: 1.0})
