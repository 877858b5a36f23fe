"""The environment in which a Python program measures itself, without a line of its code.

`firedrill-instrument COMMAND` runs a command in it, for compose files and Procfiles.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).resolve().parent.parent / "telemetry" / "injected"
"""The folder of the `sitecustomize` that Python imports when it starts."""

USAGE = """\
usage: firedrill-instrument COMMAND [ARGUMENT...]

Run a Python web application, such as `gunicorn shop:app`, and measure it without a line of code.
FIREDRILL_METRICS_HOST and FIREDRILL_METRICS_PORT set the address of its metrics (127.0.0.1:9464).
"""


def variables(theirs: Mapping[str, str]) -> dict[str, str]:
    """Return the variable that injects the instrumentation, before the PYTHONPATH of a command.

    `theirs` are the command's own variables; one that they lack is ours.
    """
    path = theirs.get("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    kept = [entry for entry in path.split(os.pathsep) if entry and entry != str(FOLDER)]
    return {"PYTHONPATH": os.pathsep.join([str(FOLDER), *kept])}


def main() -> None:
    """Replace this process by the command, instrumented: signals and exit code are its own."""
    command = sys.argv[1:]
    if not command or command[0] in {"-h", "--help"}:
        sys.stdout.write(USAGE)
        sys.exit(0 if command else 2)
    try:
        os.execvpe(command[0], command, {**os.environ, **variables({})})  # noqa: S606 -- the job
    except OSError as error:
        sys.stderr.write(
            f"firedrill-instrument: {command[0]}: {error.strerror}; expected a program\n"
        )
        sys.exit(127)
