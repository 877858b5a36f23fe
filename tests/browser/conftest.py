"""One recorded run for all tests of the report, and a browser to open its page in."""

import os
import signal
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from firedrill.interrupt import Interrupt
from firedrill.report import comparison, page, recording
from firedrill.report.facts import Facts
from tests import drilling
from tests.browser import chromium
from tests.waiting import poll_until

DESKTOP, PHONE = (1440, 900), (390, 844)
GAP_SECONDS = 6.5


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """A run by users with hostile names, in whose midst nothing was recorded for some seconds; its report was written at its end."""
    folder = tmp_path_factory.mktemp("reported")
    file = drilling.profile(folder, users=8, seconds=12, alerts="{always: [Watchful], never: [ApiDown]}", think_time="0.1s..0.2s")
    rules = folder / "watchful.yml"
    rules.write_text("groups: [{name: watchful, rules: [{alert: Watchful, expr: vector(0) > 1}]}]\n")
    words = (file, "--locustfile", drilling.LOCUSTFILES / "hostile.py", "--rules", rules)
    drill = drilling.start(folder / "runs", *words, report=True)
    drill.wait_for_requests()
    _blind(drill.pid_of("prometheus"))
    _, _, errors = drill.finish()
    assert (drill.run().folder / "report.html").is_file(), errors
    return drill.run()


def _blind(prometheus):
    """Stop Prometheus for longer than a valid run may be unseen."""
    os.kill(prometheus, signal.SIGSTOP)
    resume = time.monotonic() + GAP_SECONDS
    try:
        poll_until(lambda: time.monotonic() > resume, "the gap to be long enough")
    finally:
        os.kill(prometheus, signal.SIGCONT)


@pytest.fixture(scope="session")
def series(recorded):
    """What was recorded in the run, or in another window of it; read once each, because a Prometheus has to start for it."""
    known = {}

    def read(window):
        key = (window["start"], window["end"])
        if key not in known:
            with Interrupt() as interrupt:
                known[key] = recording.read(replace(recorded.recorded(), start=key[0], end=key[1]), interrupt)
        return known[key]

    return read


@pytest.fixture(scope="session")
def page_of(recorded, series, tmp_path_factory):
    """Write the page of the run with some of its run.json changed; of several runs if asked."""

    def write_page(*, drop=(), runs=1, data=True, **changed):
        document = {name: value for name, value in {**recorded.read(), **changed}.items() if name not in drop}
        found = [(Facts(f"run-{number}", document), series(document["window"]) if data else None) for number in range(runs)]
        file = tmp_path_factory.mktemp("page") / "report.html"
        file.write_text(page.of_run(*found[0]) if runs == 1 else comparison.of_runs(comparison.sided(found)))
        return file

    return write_page


@pytest.fixture(scope="session")
def chrome():
    with chromium.browser() as browser:
        yield browser


class Opened:
    """A page in the browser, and everything it complained about or asked for."""

    def __init__(self, page, file):
        self.page = page
        self.complaints = []
        self.requests = []
        page.on("console", lambda message: message.type in {"error", "warning"} and self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-drawn]", state="attached", timeout=20_000)

    def text(self):
        return self.page.inner_text("main")

    def run(self, script):
        return self.page.evaluate(script)


@pytest.fixture(scope="session")
def opened(chrome):
    """Open a file with a window of this size and in this colour scheme."""

    @contextmanager
    def open_file(file, size=DESKTOP, scheme="light"):
        context = chrome.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, offline=True, has_touch=size == PHONE
        )
        try:
            yield Opened(context.new_page(), file)
        finally:
            context.close()

    return open_file
