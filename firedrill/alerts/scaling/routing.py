"""Alertmanager's production routing made that of a drill: its times divided as the rules' are, its receivers at another address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firedrill.alerts.rules import yaml_document
from firedrill.alerts.scaling.shrink import Scaler
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPOSE_URL = "http://notifications:9095/"
"""Where prometheus/alertmanager.yml sends to: the address within Compose's network."""

SHORTEST_MS = 1_000
"""Alertmanager refuses an interval of zero, and without a wait nothing would be grouped or inhibited. A wait of `0s` stays one."""

DURATIONS = ("group_wait", "group_interval", "repeat_interval")


def scale_routing(text: str, factor: float, receiver_url: str = COMPOSE_URL) -> str:
    """The Alertmanager configuration `text` with its waits and intervals divided by `factor` (1 or more), none shorter than a second.

    Webhooks to the bundle's receiver go to `receiver_url` (it ends in `/`); all others, and all else, stay.

    Raises BadInput for text that is no such configuration. Whether it is valid is for `amtool check-config` to say.
    """
    routing = yaml_document.parse(text, "an Alertmanager configuration")
    if not isinstance(routing.get("route"), dict):
        raise BadInput("line 1: no route; expected an Alertmanager configuration")
    scaler = Scaler(factor)
    for route in _routes(routing["route"]):
        for key in DURATIONS:
            if key in route:
                route[key] = scaler.shrink(str(route[key]), key, SHORTEST_MS)
    for webhook in _webhooks(routing):
        webhook["url"] = str(webhook["url"]).replace(COMPOSE_URL, receiver_url, 1)
    return yaml_document.printed(routing)


def _routes(route: Any) -> Iterator[Any]:
    yield route
    for below in _listed(route, "routes"):
        yield from _routes(below)


def _webhooks(routing: Any) -> Iterator[Any]:
    for receiver in _listed(routing, "receivers"):
        yield from (webhook for webhook in _listed(receiver, "webhook_configs") if "url" in webhook)


def _listed(mapping: Any, key: str) -> Any:
    found = mapping.get(key) or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BadInput(f"{key} is no list of mappings; expected an Alertmanager configuration")
    return found
