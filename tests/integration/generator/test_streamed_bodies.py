"""A request is in flight until its body was read, closed or dropped, whichever way it is read."""

import gc
import pickle
import threading
import weakref
from contextlib import suppress
from pathlib import Path

import gevent
import pytest
import requests
import urllib3
from geventhttpclient.response import HTTPParseError, HTTPSocketPoolResponse
from geventhttpclient.useragent import UserAgent
from locust_exporter.counting.in_flight import InFlight
from locust_exporter.counting.streamed_body import (
    watch_geventhttpclient_body,
    watch_requests_body,
)

from firedrill.places import EXPORTER_PLUGIN
from tests.locust_process import Locust, worker_options
from tests.target_server import LINE
from tests.waiting import poll_until

LOCUSTFILES = Path(__file__).parent / "locustfiles"
TRANSACTIONS = LOCUSTFILES.parents[2] / "locustfiles" / "transactions.py"
STREAMING = (LOCUSTFILES / "streaming.py", EXPORTER_PLUGIN)


@pytest.fixture
def in_flight():
    return InFlight()


def get_with_requests(in_flight, url):
    session = requests.Session()
    get = in_flight.tracked(lambda session, url: session.get(url, stream=True), watch_requests_body)
    return get(session, url)


def get_with_geventhttpclient(in_flight, url):
    client = UserAgent()
    client.valid_response_codes = {200, 204}
    get = in_flight.tracked(lambda client, url: client.urlopen(url), watch_geventhttpclient_body)
    return get(client, url)


WAYS = {
    "content": (get_with_requests, lambda response: response.content),
    "iter_content": (get_with_requests, lambda response: list(response.iter_content(5))),
    "iter_lines": (get_with_requests, lambda response: list(response.iter_lines())),
    "raw.read": (get_with_requests, lambda response: response.raw.read()),
    "raw.readinto": (get_with_requests, lambda response: response.raw.readinto(bytearray(99))),
    "raw.readline": (get_with_requests, lambda response: list(iter(response.raw.readline, b""))),
    "fast content": (get_with_geventhttpclient, lambda response: response.content),
    "fast stream": (get_with_geventhttpclient, lambda response: list(response.stream)),
    "fast readline": (
        get_with_geventhttpclient,
        lambda response: list(iter(response.readline, b"")),
    ),
}
ENDS = {
    "close": (get_with_requests, lambda response: response.close()),
    "raw.close": (get_with_requests, lambda response: response.raw.close()),
    "with": (get_with_requests, lambda response: response.__exit__()),
    "fast release": (get_with_geventhttpclient, lambda response: response.release()),
}


@pytest.mark.parametrize(("get", "read"), WAYS.values(), ids=WAYS)
def test_a_read_body_ends_its_request(target, in_flight, get, read):
    response = get(in_flight, f"{target.url}/drip")
    assert in_flight.snapshot(0).requests == 1
    assert in_flight.snapshot(0).starved_users == 0, "nobody waits for it"
    target.release.set()
    read(response)
    assert in_flight.snapshot(0).requests == 0
    assert in_flight.abandoned == {"in_flight": 0, "unreported": 0}


@pytest.mark.parametrize("get", [get_with_requests, get_with_geventhttpclient])
def test_who_reads_from_another_thread_waits(target, in_flight, get):
    response = get(in_flight, f"{target.url}/drip")
    read = (lambda: response.content) if hasattr(response, "raw") else response.read
    reader = threading.Thread(target=read) if hasattr(response, "raw") else gevent.spawn(read)
    reader.start()
    poll_until(lambda: gevent.sleep(0) or in_flight.snapshot(0).starved_users, "the reader to wait")
    assert in_flight.snapshot(0).oldest_seconds > 0
    assert not sum(in_flight.snapshot(0).ages.counts), "its answer has begun"
    target.release.set()
    reader.join()
    assert in_flight.snapshot(0).requests == 0


@pytest.mark.parametrize(("get", "end"), ENDS.values(), ids=ENDS)
def test_a_closed_body_ends_its_request(target, in_flight, get, end):
    response = get(in_flight, f"{target.url}/drip")
    assert in_flight.snapshot(0).requests == 1
    end(response)
    assert in_flight.snapshot(0).requests == 0
    assert in_flight.abandoned["in_flight"] == 0


@pytest.mark.parametrize("get", [get_with_requests, get_with_geventhttpclient])
def test_a_dropped_response_ends_its_request(target, in_flight, get):
    """The account keeps no response alive."""
    response = get(in_flight, f"{target.url}/drip")
    body = weakref.ref(getattr(response, "raw", None) or response.stream)
    assert in_flight.snapshot(0).requests == 1
    del response
    gc.collect()
    assert body() is None
    assert in_flight.snapshot(0).requests == 0
    assert in_flight.abandoned["in_flight"] == 0


@pytest.mark.parametrize(("get", "read"), WAYS.values(), ids=WAYS)
def test_a_broken_body_is_abandoned_once(target, in_flight, get, read):
    response = get(in_flight, f"{target.url}/broken")
    for _ in range(2):
        with suppress(requests.RequestException, urllib3.exceptions.HTTPError, HTTPParseError):
            read(response)
    assert in_flight.snapshot(0).requests == 0
    assert in_flight.abandoned["in_flight"] == sum(in_flight.abandoned_ages.counts) == 1


@pytest.mark.parametrize("get", [get_with_requests, get_with_geventhttpclient])
def test_an_empty_body_is_never_awaited(target, in_flight, get):
    kept = get(in_flight, f"{target.url}/none")
    assert kept.status_code == 204
    assert in_flight.snapshot(0).requests == 0


def test_a_watched_response_is_what_it_was(target, in_flight):
    response = get_with_requests(in_flight, f"{target.url}/drip")
    fast = get_with_geventhttpclient(in_flight, f"{target.url}/drip").stream
    target.release.set()
    assert type(response) is requests.Response
    assert pickle.loads(pickle.dumps(response)).content == 2 * LINE
    assert isinstance(fast, HTTPSocketPoolResponse)
    assert type(fast).__name__ == HTTPSocketPoolResponse.__name__
    assert fast.read() == 2 * LINE


@pytest.mark.parametrize("workers", [0, 2], ids=["alone", "with workers"])
def test_users_that_hang_in_a_body_starve_and_abandon(target, workers):
    """Three bodies that their user keeps unread are in flight, and starve nobody."""
    load = ("--headless", "-u", 7, "-r", 7, "-H", target.url)
    starving = {"files": STREAMING, "FIREDRILL_STARVATION_SECONDS": "0.5"}
    master, worker = worker_options(workers) if workers else ((), ())
    generators = [Locust(*worker, exporter=False, **starving) for _ in range(workers)]
    with Locust(*master, *load, **starving) as locust:
        for generator in generators:
            generator.__enter__()
        try:
            metrics = locust.until(
                lambda metrics: (
                    metrics.value("locust_users_starved") == 4
                    and metrics.value("locust_requests_in_flight") == 7
                    and metrics.total("locust_requests_abandoned_total") == 2
                ),
                "four users to starve, three bodies to be kept and two to be broken",
            )
            assert metrics.value("locust_requests_in_flight_oldest_seconds") > 0.5
            assert metrics.value("locust_requests_in_flight_age", le="+Inf") == 0
            last = locust.stop()[-1]
        finally:
            for generator in generators:
                generator.__exit__()
    assert last.value("locust_requests_abandoned_total", stage="in_flight") == 6
    assert last.value("locust_requests_abandoned_total", stage="unreported") == 0
    assert last.value("locust_requests_total", name="streamed", method="GET") == 2
    assert last.value("locust_requests_total", name="next", method="GET") == 1
    assert last.value("locust_requests_abandoned_age_seconds_count") == 6
    assert last.value("locust_requests_abandoned_age_seconds_sum") > 4 * 0.5
    assert last.value("locust_user_class_unobserved", user_class="Keeper") == 0


@pytest.mark.parametrize("workers", [0, 2], ids=["alone", "with workers"])
def test_a_class_with_unseen_requests_is_not_observed(target, workers):
    """Its other requests are seen to begin: those of its client, judged or not, and measured."""
    load = ("--headless", "-u", 4, "-r", 4, "-H", target.url)
    files = (TRANSACTIONS, EXPORTER_PLUGIN)
    master, worker = worker_options(workers) if workers else ((), ())
    generators = [Locust(*worker, files=files, exporter=False) for _ in range(workers)]
    with Locust(*master, *load, files=files) as locust:
        for generator in generators:
            generator.__enter__()
        try:
            metrics = locust.until(
                lambda metrics: (
                    metrics.values("locust_user_class_unobserved", user_class="Shop") == [0, 1]
                ),
                "the transaction to be noticed",
            )
        finally:
            for generator in generators:
                generator.__exit__()
    unseen = {"user_class": "Shop", "method": "TRANSACTION", "name": "checkout"}
    assert metrics.value("locust_user_class_unobserved", **unseen) == 1
    assert metrics.value("locust_user_class_unobserved", user_class="Guest") == 0
    assert not metrics.values("locust_users_starved")
    assert metrics.values("locust_requests_abandoned_total") == [0, 0]


def test_an_excluded_transaction_leaves_its_class_observed(target):
    files = (LOCUSTFILES / "excluding.py", TRANSACTIONS, EXPORTER_PLUGIN)
    with Locust("--headless", "-u", 2, "-r", 2, "-H", target.url, files=files) as locust:
        metrics = locust.until(
            lambda metrics: metrics.total("locust_requests_total", name="checkout") > 2,
            "transactions to be reported",
        )
    assert metrics.value("locust_user_class_unobserved", user_class="Shop") == 0
    assert len(metrics.values("locust_users_starved")) == 1
