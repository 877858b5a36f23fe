"""Find the programs that a test needs, or skip the test.

With CI=true the suite fails where something was missing. No test installs anything:
`python -m tests.machine` does, before the tests.
"""

import shutil

import pytest

from firedrill.processes import programs

MARK = "missing on this machine: "
"""How the reason of such a skipped test begins."""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def require(name):
    """Return the path of a program, or skip the test."""
    path = programs.find(name)
    if path is None:
        skip_for_want_of(f"{name} ({programs.HOW_TO_GET})")
    return path


def require_chromium():
    """Return the path of a Chromium, or skip the test."""
    path = find_chromium()
    if path is None:
        skip_for_want_of("Chromium (apt-get install chromium)")
    return path


def find_chromium():
    """Return the path of a Chromium, None where there is none."""
    return next((path for name in CHROMIUM if (path := shutil.which(name))), None)


def skip_for_want_of(missing):
    """Skip the test; with CI=true, conftest.py fails the suite once for what was missing."""
    pytest.skip(MARK + missing)
