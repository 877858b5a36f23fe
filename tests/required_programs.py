"""Programs that a test needs.

Where one is missing, the tests that need it are skipped with the reason; with CI=true the suite
then fails.

No test installs anything: `python -m tests.machine` does, before the tests.
"""

import shutil

import pytest

from firedrill.processes import programs

MARK = "missing on this machine: "
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def program(name):
    """Return the path of a program, or skip the test."""
    path = programs.find(name)
    if path is None:
        give_up(f"{name} ({programs.HOW_TO_GET})")
    return path


def chromium():
    """Return the path of a Chromium, or skip the test."""
    path = find_chromium()
    if path is None:
        give_up("Chromium (apt-get install chromium)")
    return path


def find_chromium():
    """Return the path of a Chromium, None where there is none."""
    return next((path for name in CHROMIUM if (path := shutil.which(name))), None)


def give_up(reason):
    """Skip the test for want of something; conftest.py fails the suite for it once, with
    CI=true.
    """
    pytest.skip(MARK + reason)
