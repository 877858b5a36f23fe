"""The rules of a running Prometheus, saved as files for the run that is attached to it."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from firedrill.alerts.rules import dependencies, durations, rule_file

if TYPE_CHECKING:
    from pathlib import Path

    from firedrill.prometheus.client import Prometheus


def keep(prom: Prometheus, folder: Path) -> None:
    """Write the rule groups that a Prometheus has loaded to files of the same names."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[Any]] = {}
    for group in prom.rule_groups():
        name = PurePath(group["file"]).name
        files.setdefault(name if name.endswith(".yml") else f"{name}.yml", []).append(_group(group))
    for name, groups in files.items():
        # YAML reads JSON, except for escaped surrogate pairs; ensure_ascii=False writes none.
        (folder / name).write_text(json.dumps({"groups": groups}, indent=1, ensure_ascii=False))


def longest_reach_seconds(folder: Path) -> float:
    """Return how far back the alerts in a folder look at most, `for` included; 0 without any."""
    groups = [group for file in folder.glob("*.yml") for group in rule_file.read(file)]
    return max(
        (
            dependencies.memory_ms(rule, look_back_ms) / 1000
            for rule, look_back_ms in dependencies.alerts_with_look_back(groups)
        ),
        default=0.0,
    )


def _group(loaded: Any) -> Any:
    interval = durations.format_ms(round(loaded["interval"] * 1000))
    return {
        "name": loaded["name"],
        "interval": interval,
        "limit": loaded.get("limit", 0),
        "rules": [_rule(rule) for rule in loaded["rules"]],
    }


def _rule(loaded: Any) -> Any:
    rule = {"expr": loaded["query"], "labels": loaded.get("labels", {})}
    if loaded["type"] == "recording":
        return {"record": loaded["name"], **rule}
    lengths = {"for": loaded.get("duration", 0), "keep_firing_for": loaded.get("keepFiringFor", 0)}
    durations_as_text = {
        name: durations.format_ms(round(seconds * 1000)) for name, seconds in lengths.items()
    }
    return {
        "alert": loaded["name"],
        **rule,
        **durations_as_text,
        "annotations": loaded.get("annotations", {}),
    }
