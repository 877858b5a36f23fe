"""The live page in Chromium, of a run that goes on."""

import pytest

from firedrill.live.live_run import SHOWN
from tests import firedrill_process
from tests.waiting import PATIENCE_SECONDS, poll_until

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def drill(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    profile = firedrill_process.write_profile(
        folder, users=4, seconds=25, think_time="0.1s..0.3s", slo="{errors: 100%}"
    )
    started = firedrill_process.start(folder / "runs", profile, report=True)
    yield started
    started.interrupt()
    started.finish()


@pytest.fixture
def page(chrome):
    context = chrome.new_context(color_scheme="dark")
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    opened = context.new_page()
    opened.complaints = []
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on(
        "console",
        lambda message: message.type == "error" and opened.complaints.append(message.text),
    )
    yield opened
    context.close()


def test_the_page_follows_a_run_and_becomes_its_report(drill, page):
    first = drill.process.stderr.readline()
    assert first.startswith("live page: http://127.0.0.1:"), first
    url = first.removeprefix("live page: ").strip()
    page.goto(url)
    page.wait_for_selector("svg path", state="attached")
    assert page.locator("figure").count() == len(SHOWN)
    page.locator("figure").first.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("svg .cursor", state="attached")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    def ended():
        page.wait_for_timeout(
            200
        )  # Lets the page work: Playwright's objects belong to this thread.
        return page.url.endswith("/report") or "has ended" in page.locator("#note").inner_text()

    poll_until(ended, "the end of the page")
    refused = [text for text in page.complaints if "ERR_CONNECTION_REFUSED" not in text]
    assert refused == []
