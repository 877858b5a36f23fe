"""The metrics process shows series from zero, running busy time, and the contract's series only."""

import os

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)

from firedrill.contract import ENDPOINT_BOUNDS_SECONDS, Server, exported_series
from firedrill.telemetry.application.members import Members
from firedrill.telemetry.metrics_process import (
    NEW_SERIES_SECONDS,
    NewSeries,
    ServerMetrics,
    accepts_openmetrics,
)
from firedrill.telemetry.shared_cells import BUSY_SINCE, FINISHED_BUSY, SAMPLED_AT, Cells, observe
from tests.scraped_metrics import exemplars, parse

pytestmark = pytest.mark.usefixtures("clock")


def read(metrics, *, for_prometheus=False):
    return parse(metrics.render(for_prometheus=for_prometheus).decode())


def keys(cells):
    return [(series.name, series.labels) for series in cells.series()]


def test_the_metrics_of_twenty_routes_are_below_150_kilobytes():
    cells = Cells.create()
    for metric in (Server.ALL_REQUEST_DURATION, Server.ALL_RESPONSE_TIME, Server.QUEUE_WAIT):
        cells.reserve(metric)
    for number in range(20):
        for metric in (Server.REQUEST_DURATION, Server.RESPONSE_TIME):
            cells.reserve(metric, ("GET", f"/route/{number}/<int:item>", "200"))
    text = ServerMetrics(Members.of(cells, os.getpid())).render(for_prometheus=False)
    assert 100_000 < len(text) < 150_000


def test_a_new_counter_is_zero_once_for_prometheus_only():
    cells = Cells.create()
    metrics = ServerMetrics(Members.of(cells, os.getpid()))
    read(metrics, for_prometheus=True)
    cells.add(cells.reserve(Server.RUN_REQUESTS, ("a",)), 3)
    name = Server.RUN_REQUESTS.name
    seen = [
        read(metrics).value(name),
        *(read(metrics, for_prometheus=True).value(name) for _ in range(2)),
        read(metrics).value(name),
    ]
    assert seen == [3, 0, 3, 3]


def test_counts_before_the_first_scrape_are_shown_at_once():
    """Else a Prometheus that comes late would see the whole past happen in one second."""
    cells = Cells.create()
    cells.add(cells.reserve(Server.RUN_REQUESTS, ("a",)), 1000)
    assert (
        read(ServerMetrics(Members.of(cells, os.getpid())), for_prometheus=True).value(
            Server.RUN_REQUESTS.name
        )
        == 1000
    )


def test_series_created_while_prometheus_was_away_are_shown_fully():
    cells, new_series = Cells.create(), NewSeries()
    new_series.since_last_scrape(keys(cells), now=0.0)
    cells.reserve(Server.RUN_REQUESTS, ("a",))
    assert new_series.since_last_scrape(keys(cells), now=NEW_SERIES_SECONDS + 1) == set()


def test_a_new_gauge_is_never_shown_as_zero():
    cells = Cells.create()
    metrics = ServerMetrics(Members.of(cells, os.getpid()))
    read(metrics, for_prometheus=True)
    cells.values[cells.reserve(Server.QUEUE_DEPTH)] = 5
    assert read(metrics, for_prometheus=True).value(Server.QUEUE_DEPTH.name) == 5


def test_busy_seconds_include_running_requests_and_never_fall(clock):
    cells = Cells.create()
    metrics = ServerMetrics(Members.of(cells, os.getpid()))
    finished, worker = cells.reserve(FINISHED_BUSY), cells.reserve(BUSY_SINCE, ("0",))
    cells.values[finished], cells.values[worker] = 5.0, clock() - 2
    running = read(metrics)
    cells.values[worker] = 0.0  # done, and not yet added
    between = read(metrics)
    assert running.value("http_server_workers_busy") == 1
    assert running.value("http_server_busy_seconds_total") == 7
    assert between.value("http_server_workers_busy") == 0
    assert between.value("http_server_busy_seconds_total") == running.value(
        "http_server_busy_seconds_total"
    )


def test_the_age_is_that_of_the_last_sample(clock):
    cells = Cells.create()
    cells.values[cells.reserve(SAMPLED_AT)] = clock() - 3
    assert read(ServerMetrics(Members.of(cells, os.getpid()))).value("api_metrics_age_seconds") == 3


def test_every_exported_series_is_in_the_contract():
    cells = Cells.create()
    for metric in (Server.QUEUE_WAIT, Server.QUEUE_DEPTH, FINISHED_BUSY, SAMPLED_AT):
        cells.reserve(metric)
    names = {name for name, _, _ in read(ServerMetrics(Members.of(cells, os.getpid()))).samples}
    assert (
        {
            "http_server_busy_seconds_total",
            "process_cpu_seconds_total",
            "tcp_listen_overflows_total",
        }
        <= names
        <= exported_series()
    )


def test_a_bucket_shows_its_last_sampled_request():
    cells = Cells.create()
    first = cells.reserve(Server.REQUEST_DURATION, ("GET", "/", "200"))
    for trace_id, seconds in ((1, 0.25), (2, 0.19), (2**128 - 1, 99.0)):
        observe(cells.values, first, ENDPOINT_BOUNDS_SECONDS, seconds)
        cells.set_exemplar(first, ENDPOINT_BOUNDS_SECONDS, seconds, trace_id)
    text = (
        ServerMetrics(Members.of(cells, os.getpid()))
        .render(for_prometheus=False, openmetrics=True)
        .decode()
    )
    marked = {
        sample.labels["le"]: sample.exemplar.value
        for family in openmetrics_families(text)
        for sample in family.samples
        if sample.exemplar
    }
    assert marked == {"0.25": 0.19, "+Inf": 99.0}
    assert exemplars(text) == {Server.REQUEST_DURATION.name: {f"{2:032x}", "f" * 32}}


def test_a_new_series_shown_as_zero_has_no_exemplar():
    cells = Cells.create()
    metrics = ServerMetrics(Members.of(cells, os.getpid()))
    metrics.render(for_prometheus=True, openmetrics=True)
    first = cells.reserve(Server.REQUEST_DURATION, ("GET", "/", "200"))
    observe(cells.values, first, ENDPOINT_BOUNDS_SECONDS, 0.2)
    cells.set_exemplar(first, ENDPOINT_BOUNDS_SECONDS, 0.2, 1)
    seen = [
        exemplars(metrics.render(for_prometheus=True, openmetrics=True).decode()) for _ in range(2)
    ]
    assert seen == [{}, {Server.REQUEST_DURATION.name: {f"{1:032x}"}}]


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain;version=0.0.4", False),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5,*/*;q=0.1",
            True,
        ),
        (
            (
                "text/plain;version=1.0.0;q=0.5,"
                " application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6"
            ),
            True,
        ),
    ],
)
def test_openmetrics_is_sent_to_those_who_accept_it(accept, openmetrics):
    assert accepts_openmetrics(accept) is openmetrics
