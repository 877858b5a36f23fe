"""A headless Chromium for the tests."""

from contextlib import contextmanager

from playwright.sync_api import sync_playwright

from tests import required_programs
from tests.waiting import PATIENCE_SECONDS


@contextmanager
def browser():
    """Start a browser and close it at the end of the block; skip where there is none."""
    program = required_programs.require_chromium()
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        started = playwright.chromium.launch(
            executable_path=program, args=options, timeout=PATIENCE_SECONDS * 1000
        )
        yield started
        started.close()
