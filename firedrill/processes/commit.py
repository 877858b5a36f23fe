"""The commit under test, which a history of runs shows."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLES = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BUILDKITE_COMMIT")
"""Environment variables of GitHub, GitLab, Jenkins and Buildkite with the commit."""
GIT_TIMEOUT_SECONDS = 5.0


def under_test(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the commit that a CI service names, else the one checked out; None without one."""
    named = (environment.get(name, "").strip() for name in VARIABLES)
    commit = next(filter(None, named), None) or _checked_out()
    return commit if commit and commit.isascii() and commit.isalnum() else None


def _checked_out() -> str | None:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"],
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
