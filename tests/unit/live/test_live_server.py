"""The live page is read-only, on loopback, and asks Prometheus only while somebody looks."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from firedrill.errors import Missing
from firedrill.live.live_page import POLICY, LivePage
from firedrill.live.live_run import KEY, LiveRun, combined_query
from firedrill.prometheus.client import Series


class RecordedAnswers:
    """Stands for a Prometheus that has these series, and counts what it was asked."""

    def __init__(self, *series):
        self.series = series
        self.asked = []

    def range(self, _query, start, end):
        self.asked.append((start, end))
        return [
            Series(
                {**labels, KEY: key}, [(float(second), value) for second in range(start, end + 1)]
            )
            for key, labels, value in self.series
        ]


class Gone:
    def range(self, *_):
        raise Missing("Prometheus does not answer")


@pytest.fixture
def page():
    served = LivePage()
    yield served
    served.close()


def answer(page, path, **headers):
    address = urlsplit(page.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/", "/live.css", "/live.js", "/state"])
def test_every_part_of_the_page_has_the_strict_policy(page, path):
    response, body = answer(page, path)
    assert (response.status, response.headers["Content-Security-Policy"]) == (200, POLICY)
    assert len(body) < 2_000_000
    assert b"https://" not in body


@pytest.mark.parametrize("path", ["/../run.json", "/etc/passwd", "/report", "/state/x"])
def test_nothing_else_is_served(page, path):
    assert answer(page, path)[0].status == 404


def test_a_foreign_host_name_is_refused(page):
    assert answer(page, "/state", Host="evil.example")[0].status == 403


def test_only_reading_is_possible(page):
    address = urlsplit(page.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.request("POST", "/state", body="{}")
    assert connection.getresponse().status == 501
    connection.close()


def test_prometheus_is_asked_only_when_a_browser_asks():
    prometheus = RecordedAnswers()
    run = LiveRun("launch")
    run.follow(prometheus)
    assert prometheus.asked == []
    run.state(0)
    run.state(0)
    assert len(prometheus.asked) <= 2


def test_the_page_gets_lines_and_facts():
    run = LiveRun("launch")
    run.follow(
        RecordedAnswers(
            ("TRAFFIC/0", {}, 40.0),
            ("SATURATION/0", {"resource": "workers"}, 1.0),
            ("fact/bottleneck", {"resource": "workers"}, 1.0),
            ("fact/slo", {"objective": "p99"}, float("nan")),
        )
    )
    run._asked_until -= 5
    state = run.state(0)
    traffic = next(chart for chart in state["charts"] if chart["title"] == "Traffic")
    saturation = next(chart for chart in state["charts"] if chart["title"] == "Saturation")
    assert traffic["lines"][0]["legend"] == "client"
    assert {value for _, value in traffic["lines"][0]["points"]} == {40.0}
    assert saturation["lines"][0]["legend"] == "workers"
    assert state["facts"]["bottleneck"] == [{"labels": {"resource": "workers"}, "value": 1.0}]
    assert state["facts"]["slo"] == []
    json.dumps(state, allow_nan=False)
    last = traffic["lines"][0]["points"][-1][0]
    again = run.state(last)["charts"]
    assert all(
        time > last for chart in again for line in chart["lines"] for time, _ in line["points"]
    )


def test_a_prometheus_that_is_gone_is_said():
    run = LiveRun("launch")
    run.follow(Gone())
    run._asked_until -= 5
    assert run.state(0)["phase"] == "Prometheus does not answer"
    run.end("FAILED")
    assert (run.state(0)["phase"], run.state(0)["verdict"]) == ("starting", "FAILED")


def test_a_browser_that_is_there_gets_the_report(tmp_path):
    file = tmp_path / "report.html"
    file.write_text("<p>the report</p>")
    served = LivePage()
    answer(served, "/state")
    served._report, served.has_ended = file, True
    response, body = answer(served, "/report")
    assert (response.status, body) == (200, b"<p>the report</p>")
    served.close(file)


def test_all_panels_are_one_query():
    query = combined_query()
    assert query.count(f'"{KEY}"') > 20
    assert "$" not in query.replace('"$1"', "")
