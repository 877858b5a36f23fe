"""Alertmanager's production routing shrunk to a drill: shorter waits, and another receiver address.

The waits and intervals are divided by the time scale, as the durations of rules are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firedrill.alerts.rules import yaml_document
from firedrill.alerts.scaling.shrink import Scaler
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPOSE_URL = "http://notifications:9095/"
"""The receiver's address in prometheus/alertmanager.yml: the one within Compose's network."""

SHORTEST_MS = 1_000
"""Alertmanager refuses an interval of zero, and without a wait nothing is grouped or inhibited.

A wait of `0s` stays one.
"""

DURATIONS = ("group_wait", "group_interval", "repeat_interval")


def scale_routing(text: str, factor: float, receiver_url: str = COMPOSE_URL) -> str:
    """Return an Alertmanager configuration for a drill.

    Args:
        text: The production configuration.
        factor: What waits and intervals are divided by, 1 or more; none becomes shorter than 1 s.
        receiver_url: Where webhooks to the bundle's receiver go; ends in `/`. Others stay.

    Raises:
        BadInput: the text is no such configuration. Whether it is valid is for
            `amtool check-config` to say.
    """
    routing = yaml_document.load(text, "an Alertmanager configuration")
    if not isinstance(routing.get("route"), dict):
        raise BadInput("line 1: no route; expected an Alertmanager configuration")
    scaler = Scaler(factor)
    for route in _routes(routing["route"]):
        for key in DURATIONS:
            if key in route:
                route[key] = scaler.shrink(str(route[key]), key, SHORTEST_MS)
    for webhook in _webhooks(routing):
        webhook["url"] = str(webhook["url"]).replace(COMPOSE_URL, receiver_url, 1)
    return yaml_document.dump(routing)


def _routes(route: Any) -> Iterator[Any]:
    yield route
    for child in _mappings(route, "routes"):
        yield from _routes(child)


def _webhooks(routing: Any) -> Iterator[Any]:
    for receiver in _mappings(routing, "receivers"):
        webhooks = _mappings(receiver, "webhook_configs")
        yield from (webhook for webhook in webhooks if "url" in webhook)


def _mappings(mapping: Any, key: str) -> Any:
    items = mapping.get(key) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadInput(f"{key} is no list of mappings; expected an Alertmanager configuration")
    return items
