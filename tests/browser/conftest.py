"""One recorded run for all tests of the report, and a browser to open its page in."""

import os
import shutil
import signal
import time
from contextlib import contextmanager

import pytest

from firedrill.drill.record import Run
from firedrill.interrupt import Interrupt
from firedrill.report import write
from tests import chromium, drilling
from tests.waiting import poll_until

DESKTOP, PHONE = (1440, 900), (390, 844)
GAP_SECONDS = 6.5


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """A run by users with hostile names, in whose midst nothing was recorded for some seconds; its report was written at its end."""
    folder = tmp_path_factory.mktemp("reported")
    file = drilling.profile(folder, users=8, seconds=12, alerts="{always: [Watchful], never: [ApiDown]}", think_time="0.1s..0.2s")
    drill = drilling.start(folder / "runs", file, "--locustfile", drilling.LOCUSTFILES / "hostile.py", report=True)
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
def page_of(recorded, tmp_path_factory):
    """Write the page of the run with some of its run.json changed; of several runs if asked."""

    def write_page(*, drop=(), runs=1, data=True, **changed):
        folder = tmp_path_factory.mktemp("page")
        copies = [_copy(recorded, folder / f"run-{number}", drop, changed, data) for number in range(runs)]
        with Interrupt() as interrupt:
            return write.of_run(copies[0], interrupt) if runs == 1 else write.of_several(copies, folder, interrupt)

    return write_page


def _copy(recorded, folder, drop, changed, data):
    folder.mkdir()
    if data:
        shutil.copytree(recorded.snapshot, folder / "tsdb")
    document = {**recorded.read(), **changed}
    run = Run(folder)
    run.write({name: value for name, value in document.items() if name not in drop})
    return run


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
