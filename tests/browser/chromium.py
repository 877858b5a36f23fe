"""A headless Chromium for the tests."""

from contextlib import contextmanager

from playwright.sync_api import sync_playwright

from tests import needs


@contextmanager
def browser():
    """Start a browser and close it at the end of the block; skip where there is none."""
    program = needs.chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        yield started
        started.close()
