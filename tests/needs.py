"""Programs that a test needs: where they are missing it is skipped with the reason, and fails in CI."""

import os
import subprocess

import pytest

from firedrill.stack import programs


def program(name):
    """The path of a program."""
    found = programs.find(name)
    if found is None:
        give_up(f"{name} is not here: {programs.HOW_TO_GET}")
    return found


def give_up(reason):
    """Skip the test with the reason, or fail it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def install(*packages):
    """Install Debian's packages; as root only. No service is started by its package."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for words in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", *words], capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, f"apt-get {words[0]}: {done.stderr}"
