"""The resource that limits the rate, from its use in a trial that broke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill import units
from firedrill.diagnosis.stages import SATURATED_RATIO
from firedrill.record.capacity import Bottleneck

if TYPE_CHECKING:
    from collections.abc import Mapping

DEPTH = ("cpu", "workers", "connections", "backlog", "file_descriptors")
"""Resources from the handler towards the client: a full one fills those after it."""

SLOWER_HANDLER_RATIO = 1.5
"""A handler that takes so much longer than at a low rate waits for something of its own."""


def find_bottleneck(
    used: Mapping[str, float],
    handler_seconds: float | None,
    unloaded_handler_seconds: float | None,
    rate: float,
) -> Bottleneck:
    """Return the deepest saturated resource of a trial that broke its SLO.

    Args:
        used: Use of each limit in the trial, by resource.
        handler_seconds: Mean time inside the handler in the trial; None if it is not known.
        unloaded_handler_seconds: The same in a trial at a low rate.
        rate: Arrivals a second of the trial.
    """
    shown = ", ".join(f"{name} {units.percent(ratio)}" for name, ratio in sorted(used.items()))
    full = [name for name in DEPTH if used.get(name, 0.0) >= SATURATED_RATIO]
    at = f"at {units.rate(rate)}: {shown or 'no limit of the API is visible'}"
    slower = (
        handler_seconds is not None
        and bool(unloaded_handler_seconds)
        and handler_seconds > SLOWER_HANDLER_RATIO * (unloaded_handler_seconds or 0.0)
    )
    if slower and "cpu" not in full:
        times = (
            f"the handler took {units.latency(handler_seconds)} instead of "
            f"{units.latency(unloaded_handler_seconds)} and was not short of CPU"
        )
        return Bottleneck(
            "downstream", f"{times}, so it waits for a lock, a pool or a service; {at}"
        )
    return Bottleneck(full[0] if full else "unknown", at)
