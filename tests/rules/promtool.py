"""Run promtool commands that have to succeed."""

import os
import subprocess

from tests import required_programs


def promtool(*words):
    """Run `promtool WORDS…`; return its output."""
    environment = {**os.environ, "GOGC": "400"}  # Go's garbage collection is a sixth of its time.
    done = subprocess.run(
        [required_programs.require("promtool"), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
