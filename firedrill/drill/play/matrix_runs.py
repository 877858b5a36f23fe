"""The runs of the fault matrix: the profile's load played quietly, then once for each fault.

Every run has a stack and a database of its own, so that no fault meets what another one left.
The profile says beside each fault which alerts have to notice it.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from firedrill.alerts.backtest import detection_bounds
from firedrill.alerts.rules import rule_file
from firedrill.drill.judge.fault_matrix import QUIET, fault_names
from firedrill.drill.play.run import play_in_turn
from firedrill.errors import BadInput
from firedrill.profile import AlertExpectations
from firedrill.stack import configuration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firedrill.alerts.backtest.detection_bounds import DetectionBounds
    from firedrill.drill.play.request import Request
    from firedrill.interrupt import Interrupt
    from firedrill.record.run_folder import Run
    from firedrill.terminal import Terminal

LONGEST_QUIET_SECONDS = 240.0
"""Upper limit of the quiet run; at the default time scale enough for every bundled alert."""

SETTLING_SECONDS = 3.0
"""Time until the load has settled and its first second was scraped."""


def check(request: Request) -> None:
    """Raise BadInput for a profile without faults, and for a fault without alerts."""
    profile = request.profile
    if not profile.faults:
        raise BadInput(
            f"--matrix: profile {profile.name} sets no faults; expected some, each with its alerts"
        )
    for step in profile.faults:
        if not step.alerts:
            raise BadInput(
                f"--matrix: profile {profile.name}: {fault_names(step.sizes)} names no alerts; "
                "expected those that have to notice it"
            )


def play_all(
    request: Request, bounds: Mapping[str, DetectionBounds], console: Terminal, interrupt: Interrupt
) -> Iterator[Run]:
    """Play the quiet run and each fault; ends early when interrupted.

    Args:
        request: The request of the user.
        bounds: Detection bounds by alert.
        console: The terminal that shows the progress.
        interrupt: Says whether somebody asked to stop.

    Raises what `run.play` raises.
    """
    planned = list(planned_runs(request, quiet_seconds(request, bounds)))
    return play_in_turn(planned, console, interrupt)


def quiet_seconds(request: Request, bounds: Mapping[str, DetectionBounds]) -> float:
    """Return the length of the quiet run.

    It is --duration, or long enough for the slowest alert to fire, with an upper limit.
    """
    if request.duration_seconds and request.ends_after_seconds:
        return request.ends_after_seconds
    slowest = max((bound.latest_seconds for bound in bounds.values()), default=0.0)
    return min(math.ceil(slowest + SETTLING_SECONDS), LONGEST_QUIET_SECONDS)


def planned_runs(request: Request, quiet_for_seconds: float) -> Iterator[tuple[str, Request]]:
    """Yield each run's title and request. All have the same load, and no other expectations."""
    profile = replace(request.profile, slo=None, alerts=AlertExpectations(), abort_on_slo=False)
    fault_start = profile.faults[0].start_seconds
    quiet = replace(
        profile, name=f"{profile.name} {QUIET}", faults=(), duration_seconds=quiet_for_seconds
    )
    yield QUIET, replace(request, profile=quiet, duration_seconds=quiet_for_seconds)
    for step in profile.faults:
        seconds = fault_start + step.for_seconds
        name = fault_names(step.sizes)
        single = replace(
            profile,
            name=f"{profile.name} {name}",
            faults=(replace(step, start_seconds=fault_start),),
            duration_seconds=seconds,
        )
        single_request = replace(
            request, profile=single, duration_seconds=seconds, until_firing=step.alerts
        )
        yield name, single_request


def bounds_of_loaded_rules(request: Request) -> dict[str, DetectionBounds]:
    """Return the detection bounds of the rules as these runs load them."""
    with tempfile.TemporaryDirectory() as folder:
        configuration.write(Path(folder), (), request.rules, request.time_scale)
        files = sorted((Path(folder) / "rules").glob("*.yml"))
        return detection_bounds.by_alert(group for file in files for group in rule_file.read(file))
