"""Routes of the example API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, request

from api.items import MAX_NAME_CHARACTERS, Items
from api.work import work

if TYPE_CHECKING:
    from api.api_settings import Settings

MAX_BODY_BYTES = 16 * 1024
"""Larger request bodies are refused with 413."""


def routes(settings: Settings, items: Items) -> Blueprint:
    """Return the routes with these settings and this store."""
    blueprint = Blueprint("api", __name__)

    @blueprint.get("/")
    def index() -> dict[str, float]:
        return {"worked_seconds": work(settings)}

    @blueprint.get("/items/<int:id>")
    def item(id: int) -> Any:  # noqa: A002 -- the word that stands in the URL rule
        name = items.name(id)
        return {"id": id, "name": name} if name else ({"error": f"there is no item {id}"}, 404)

    @blueprint.post("/items")
    def create_item() -> Any:
        body = request.get_json(silent=True)
        name = body.get("name") if isinstance(body, dict) else None
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME_CHARACTERS:
            return {
                "error": f'expected JSON with a "name" of 1 to {MAX_NAME_CHARACTERS} characters'
            }, 400
        return {"id": items.create(name), "name": name}, 201

    @blueprint.get("/healthz")
    def healthz() -> dict[str, str]:
        """Report that the process answers."""
        return {"status": "alive"}

    @blueprint.get("/readyz")
    def readyz() -> dict[str, str]:
        """Report that requests may come; only the process itself has to be waited for."""
        return {"status": "ready"}

    return blueprint
