"""The servers whose limits are known: `watch()` measures each that runs in this process."""

from __future__ import annotations

from functools import cache

from firedrill.telemetry.import_hooks import when_imported
from firedrill.telemetry.servers import granian, gunicorn, hypercorn, uvicorn, waitress, werkzeug


@cache
def watch() -> None:
    """Measure the server of this process, imported or not. Calling it twice does nothing more."""
    gunicorn.watch()
    when_imported("waitress.server", waitress.watch)
    when_imported("werkzeug.serving", werkzeug.watch)
    when_imported("uvicorn.server", uvicorn.watch)
    when_imported("hypercorn.asyncio.lifespan", hypercorn.watch)
    when_imported("granian.server.mp", granian.watch)
