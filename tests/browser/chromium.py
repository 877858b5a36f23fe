"""A headless Chromium for the tests: the one that is here, or Debian's, installed where we are root."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests import needs

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def browser():
    """A browser until the end of the block; where there can be none, skip with the reason, or fail in CI."""
    program = _program()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        yield started
        started.close()


def _program():
    if found := _found():
        return found
    if os.geteuid() or not Path("/etc/debian_version").exists():
        needs.give_up("there is no Chromium, and only root on Debian could install one for the tests")
    needs.install("chromium")
    return _found()


def _found():
    return next((path for name in NAMES if (path := shutil.which(name))), None)
