"""Programs that a test needs: where they are missing it is skipped with the reason, and fails in CI."""

import os

import pytest

from firedrill.stack import programs


def program(name):
    """The path of a program."""
    found = programs.find(name)
    if found is None:
        reason = f"{name} is not here: {programs.HOW_TO_GET}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found
