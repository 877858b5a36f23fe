"""Description of a recorded run: the server that it loaded, and the load that it played."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LOAD_KEYS = (
    "users",
    "think_time_seconds",
    "steps",
    "ramp",
    "open_loop",
    "faults",
    "warmup_seconds",
)
"""Keys of a profile that two runs must have in common to be comparable."""


def server_name(document: Mapping[str, Any]) -> str:
    """Return the name of the server: `waitress, 64 threads, 1000 connections`, or the target."""
    server = document.get("server")
    if not isinstance(server, dict) or not server:
        return str(document.get("target") or "an unknown server")
    kind = str(server.get("kind"))
    name = {"dev": "Flask's development server"}.get(kind, kind)
    tuned = {"threads": server.get("threads"), "connections": server.get("connection_limit")}
    return ", ".join(
        [name, *(f"{value} {noun}" for noun, value in tuned.items() if value is not None)]
    )


def played_load(profile: Mapping[str, Any]) -> str:
    """Return the load of a profile as text that is equal for equal loads, read from JSON or not."""
    load = {name: profile.get(name) for name in LOAD_KEYS}
    return json.dumps(_without_empty_values(load), sort_keys=True)


def _without_empty_values(value: Any) -> Any:
    """Leave out empty values, which older runs do not have, and expected alerts, which are no load."""
    if isinstance(value, dict):
        return {
            name: _without_empty_values(item)
            for name, item in value.items()
            if item not in (None, (), []) and name != "alerts"
        }
    if isinstance(value, list | tuple):
        return [_without_empty_values(item) for item in value]
    return value
