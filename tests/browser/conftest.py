"""A recorded run that all tests of the report share, and a browser to open its page in."""

from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
import requests

from firedrill.errors import FiredrillError
from firedrill.interrupt import Interrupt
from firedrill.record.run_document import RunDocument
from firedrill.report import recorded_series
from firedrill.report.pages import comparison_page
from firedrill.report.pages import run_page as page
from firedrill.report.run_facts import Facts
from tests import firedrill_process, run_json
from tests.browser import chromium
from tests.waiting import PATIENCE_SECONDS, poll_until

DESKTOP, PHONE = (1440, 900), (390, 844)
GAP_SECONDS = 6.5
"""A gap longer than a valid run may have."""


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """Record a run of users with hostile names, with its report and a gap of some seconds."""
    folder = tmp_path_factory.mktemp("reported")
    file = firedrill_process.write_profile(
        folder,
        users=8,
        seconds=20,
        alerts="{always: [Watchful], never: [ApiDown]}",
        think_time="0.1s..0.2s",
    )
    rules = folder / "watchful.yml"
    rules.write_text(
        "groups: [{name: watchful, rules: [{alert: Watchful, expr: vector(0) > 1}]}]\n"
    )
    words = (file, "--locustfile", firedrill_process.LOCUSTFILES / "hostile.py", "--rules", rules)
    drill = firedrill_process.start(folder / "runs", *words, report=True)
    drill.wait_for_requests()
    _make_gap(drill.prometheus())
    _, _, errors = drill.finish(4 * PATIENCE_SECONDS)
    assert (drill.run().folder / "report.html").is_file(), errors
    return drill.run()


def _make_gap(prom):
    """Delete all samples of some seconds soon after the start of the load.

    Wait for later samples first.
    """

    def number(query):
        with suppress(FiredrillError):
            return prom.number(query)

    start = (
        poll_until(lambda: number("max(locust_test_start_time_seconds) > 0"), "the load's start")
        + 2
    )
    end = start + GAP_SECONDS
    poll_until(
        lambda: number(f"min(timestamp(up)) > {end}"), "samples after the gap", every_seconds=0.2
    )
    bounds = {"match[]": '{__name__=~".+"}', "start": f"{start:.3f}", "end": f"{end:.3f}"}
    requests.post(
        f"{prom.url}/api/v1/admin/tsdb/delete_series", data=bounds, timeout=PATIENCE_SECONDS
    ).raise_for_status()


@pytest.fixture(scope="session")
def series(recorded):
    """Return a reader of the series in a window of the run.

    Each window is read once, because a Prometheus has to start for it.
    """
    known = {}

    def read(window):
        key = (window["start"], window["end"])
        if key not in known:
            with Interrupt() as interrupt:
                known[key] = recorded_series.read(
                    replace(recorded.recorded(), start=key[0], end=key[1]), interrupt
                )
        return known[key]

    return read


@pytest.fixture(scope="session")
def page_of(recorded, series, tmp_path_factory):
    """Return a writer of the run's page with a changed run.json, or of a comparison."""

    def write_page(*, drop=(), runs=1, data=True, **changed):
        document = {
            name: value
            for name, value in {**run_json.content(recorded), **changed}.items()
            if name not in drop
        }
        runs_read = [
            (
                Facts(f"run-{number}", RunDocument.parse(document)),
                series(document["window"]) if data else None,
            )
            for number in range(runs)
        ]
        file = tmp_path_factory.mktemp("page") / "report.html"
        file.write_text(
            page.render_run(*runs_read[0])
            if runs == 1
            else comparison_page.render_comparison(comparison_page.compared_runs(runs_read))
        )
        return file

    return write_page


@pytest.fixture(scope="session")
def chrome():
    with chromium.browser() as browser:
        yield browser


class Opened:
    """A page in the browser, with its complaints and its requests."""

    def __init__(self, page, file):
        self.page = page
        self.complaints = []
        self.requests = []
        page.on(
            "console",
            lambda message: (
                message.type in {"error", "warning"} and self.complaints.append(message.text)
            ),
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-drawn]", state="attached")

    def text(self):
        return self.page.inner_text("main")

    def run(self, script):
        return self.page.evaluate(script)


@pytest.fixture(scope="session")
def opened(chrome):
    """Return a function that opens a file in a window of a size and with a colour scheme."""

    @contextmanager
    def open_file(file, size=DESKTOP, scheme="light"):
        context = chrome.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            offline=True,
            has_touch=size == PHONE,
        )
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        try:
            yield Opened(context.new_page(), file)
        finally:
            context.close()

    return open_file
