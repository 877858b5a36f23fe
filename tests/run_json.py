"""The run.json of a recorded run as plain JSON, as users read and change it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firedrill.record.run_folder import Run


def content(run: Run) -> dict[str, Any]:
    """Return what run.json holds."""
    document: dict[str, Any] = json.loads(run.json_file.read_text())
    return document


def write(run: Run, changed: Mapping[str, Any]) -> None:
    """Replace a run's run.json."""
    run.json_file.write_text(json.dumps(changed))


def beside_the_load(figures: Mapping[str, Any]) -> float:
    """Return the requests that the server may have finished beside those that are judged.

    They are those that clients gave up, and those of the set-up and of users being stopped.
    """
    outside = sum(figures["counts"]["outside_load"].values())
    return float(outside + (figures["honesty"]["abandoned"]["in_flight"] or 0))
