"""`promtool`, which has to succeed."""

import os
import subprocess

from tests import required_programs


def promtool(*words):
    """Run it with these words; returns its output."""
    environment = {**os.environ, "GOGC": "400"}  # A sixth of its time is Go's garbage collection.
    done = subprocess.run(
        [required_programs.require("promtool"), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
