"""The page: series born at zero, busy time that counts while it passes, and nothing outside the contract."""

import os
from time import perf_counter

from firedrill.contract import Server, exported_series
from firedrill.telemetry.cells import BUSY_SINCE, FINISHED_BUSY, SAMPLED_AT, Cells
from firedrill.telemetry.page import BIRTH_WINDOW_SECONDS, Births, Page
from tests.scraping import parse


def read(page, *, for_prometheus=False):
    return parse(page.render(for_prometheus=for_prometheus).decode())


def test_a_counter_born_between_two_scrapes_is_zero_once_for_prometheus_and_true_for_everybody_else():
    cells = Cells.create()
    page = Page(cells, os.getpid())
    read(page, for_prometheus=True)
    cells.add(cells.reserve(Server.RUN_REQUESTS, ("a",)), 3)
    name = Server.RUN_REQUESTS.name
    seen = [read(page).value(name), *(read(page, for_prometheus=True).value(name) for _ in range(2)), read(page).value(name)]
    assert seen == [3, 0, 3, 3]


def test_what_was_counted_before_the_first_scrape_is_shown_at_once():
    """Otherwise a Prometheus that comes late would see all of the past happen in one second."""
    cells = Cells.create()
    cells.add(cells.reserve(Server.RUN_REQUESTS, ("a",)), 1000)
    assert read(Page(cells, os.getpid()), for_prometheus=True).value(Server.RUN_REQUESTS.name) == 1000


def test_a_series_born_while_prometheus_was_away_is_shown_at_once():
    cells, births = Cells.create(), Births()
    births.new(cells.series(), now=0.0)
    cells.reserve(Server.RUN_REQUESTS, ("a",))
    assert births.new(cells.series(), now=BIRTH_WINDOW_SECONDS + 1) == set()


def test_a_gauge_is_never_shown_at_zero_for_being_new():
    cells = Cells.create()
    page = Page(cells, os.getpid())
    read(page, for_prometheus=True)
    cells.values[cells.reserve(Server.QUEUE_DEPTH)] = 5
    assert read(page, for_prometheus=True).value(Server.QUEUE_DEPTH.name) == 5


def test_busy_seconds_include_requests_that_are_still_running_and_never_fall():
    cells = Cells.create()
    page = Page(cells, os.getpid())
    finished, worker = cells.reserve(FINISHED_BUSY), cells.reserve(BUSY_SINCE, ("0",))
    cells.values[finished], cells.values[worker] = 5.0, perf_counter() - 2
    running = read(page)
    cells.values[worker] = 0.0  # done, and not yet added
    between = read(page)
    assert running.value("http_server_workers_busy") == 1
    assert 7.0 <= running.value("http_server_busy_seconds_total") < 8
    assert between.value("http_server_workers_busy") == 0
    assert between.value("http_server_busy_seconds_total") == running.value("http_server_busy_seconds_total")


def test_the_age_is_that_of_the_last_sample():
    cells = Cells.create()
    cells.values[cells.reserve(SAMPLED_AT)] = perf_counter() - 3
    assert 3 <= read(Page(cells, os.getpid())).value("api_metrics_age_seconds") < 4


def test_every_series_on_the_page_is_in_the_contract():
    cells = Cells.create()
    for metric in (Server.QUEUE_WAIT, Server.QUEUE_DEPTH, FINISHED_BUSY, SAMPLED_AT):
        cells.reserve(metric)
    names = {name for name, _, _ in read(Page(cells, os.getpid())).samples}
    assert {"http_server_busy_seconds_total", "process_cpu_seconds_total", "tcp_listen_overflows_total"} <= names <= exported_series()
