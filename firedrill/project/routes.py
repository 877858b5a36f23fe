"""The routes of a user's application, read by a process of its own with a deadline."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from firedrill.errors import BadInput
from firedrill.processes import command
from firedrill.project import openapi

if TYPE_CHECKING:
    from firedrill.interrupt import Interrupt
    from firedrill.project.application import Application
    from firedrill.project.openapi import Route

PATIENCE_SECONDS = 30.0
"""How long an application may take to be imported."""

PROBE = Path(__file__).with_name("route_probe.py")


def of_application(
    application: Application,
    root: Path,
    interrupt: Interrupt | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> list[Route]:
    """Return the routes of an application.

    Raises:
        BadInput: it could not be imported in time; the message is the last line that it printed.
        Interrupted: the user asked to stop first.
    """
    with tempfile.TemporaryDirectory(prefix="firedrill-") as folder:
        output = Path(folder) / "routes.json"
        words = (application.framework, application.module, application.attribute)
        done = command.run(
            [python_of(root), "-c", PROBE.read_text(), output, *words, application.folder],
            {"PYTHONDONTWRITEBYTECODE": "1"},
            patience_seconds=patience_seconds,
            grace_seconds=1.0,
            interrupt=interrupt,
            folder=root,
        )
        if done.returncode or not output.is_file():
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise BadInput(f"{application.module}: its routes could not be read: {lines[-1]}")
        return openapi.routes(openapi.read(output))


def python_of(root: Path) -> Path:
    """Return the Python of a project's own environment, else the one that runs Firedrill."""
    own = (root / name / "bin" / "python" for name in (".venv", "venv", "env"))
    return next((python for python in own if python.exists()), Path(sys.executable))
