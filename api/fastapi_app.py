"""The twin of the example API in FastAPI: the same routes, awaited instead of threaded."""

from __future__ import annotations

import asyncio
import os
from random import uniform
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from api.api_settings import Settings
from api.items import MAX_NAME_CHARACTERS, Items
from api.servers import SERVES_VARIABLE
from api.work import compute
from firedrill import __version__
from firedrill.contract import API_METRICS_PORT
from firedrill.telemetry import instrument


class NewItem(BaseModel):
    """The body of POST /items."""

    name: str = Field(min_length=1, max_length=MAX_NAME_CHARACTERS)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the instrumented twin; settings come from the environment unless given.

    Raises BadInput for settings that cannot be used.
    """
    settings = settings or Settings.from_environment(os.environ)
    app, items = FastAPI(docs_url=None, redoc_url=None, openapi_url=None), Items()

    @app.get("/")
    async def index() -> dict[str, float]:
        seconds = uniform(*settings.work_seconds)  # noqa: S311 -- a load's spread, not a secret
        if settings.work_kind == "waiting":
            await asyncio.sleep(seconds)
        else:
            compute(seconds)  # It blocks the event loop, as computing in a coroutine does.
        return {"worked_seconds": seconds}

    @app.get("/items/{number}")
    async def item(number: int) -> Any:
        name = items.name(number)
        if name is None:
            return JSONResponse({"error": f"there is no item {number}"}, 404)
        return {"id": number, "name": name}

    @app.post("/items", status_code=201)
    async def create_item(item: NewItem) -> dict[str, Any]:
        return {"id": items.create(item.name), "name": item.name}

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ready"}

    port = API_METRICS_PORT if settings.metrics_port is None else settings.metrics_port
    telemetry = instrument(
        app, port=port, host=settings.metrics_host or settings.host, version=__version__
    )
    if os.environ.get(SERVES_VARIABLE) == "1":
        telemetry.start()
    return app
