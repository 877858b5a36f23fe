"""The load of a profile, for comparing runs: only runs of equal loads are comparable."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firedrill.profile import Profile

LOAD_KEYS = (
    "users",
    "think_time_seconds",
    "steps",
    "ramp",
    "open_loop",
    "faults",
    "warmup_seconds",
    "exclude",
)
"""Keys of a profile that two runs must have in common to be comparable."""


def played_load(profile: Profile) -> str:
    """Return the load of a profile as text that is equal for equal loads."""
    load = {name: value for name, value in asdict(profile).items() if name in LOAD_KEYS}
    return json.dumps(_normal(load), sort_keys=True)


def _normal(value: Any) -> Any:
    """Write whole numbers as floats, and leave out empty values and expected alerts.

    Older runs lack values that are empty today. Expected alerts are no part of a load.
    """
    if isinstance(value, dict):
        return {
            name: _normal(item)
            for name, item in value.items()
            if item not in (None, (), []) and name != "alerts"
        }
    if isinstance(value, list | tuple):
        return [_normal(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
