"""How much measuring adds to a request of a FastAPI application, in three ways.

A bare application is called through its ASGI callable, beside the same one instrumented. Blocks of
requests run in shuffled order, as in bench/instrumentation_tax.py. Aim: to add no more than
prometheus-fastapi-instrumentator.
Run: `python -m bench.asgi_tax`.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import time
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator

from bench.instrumentation_tax import BLOCKS, REQUESTS, ROUNDS, trimmed_mean
from bench.result_tables import save, table
from firedrill.telemetry import instrument

if TYPE_CHECKING:
    from collections.abc import Callable

BARE = "bare FastAPI"
PEER = "prometheus-fastapi-instrumentator"


def bare() -> Any:
    """Return the application that every variant measures."""
    app = FastAPI()

    @app.get("/items/{number}")
    async def item(number: int) -> dict[str, int]:
        return {"number": number}

    return app


def firedrill() -> Any:
    """Return it with this project's instrumentation, complete, the metrics process included."""
    app = bare()
    instrument(app, port=0)
    return app


def instrumentator() -> Any:
    """Return it with prometheus-fastapi-instrumentator, as its README shows."""
    app = bare()
    Instrumentator(registry=CollectorRegistry()).instrument(app)
    return app


def opentelemetry() -> Any:
    """Return it with OpenTelemetry's ASGI middleware: spans and metrics, exported nowhere."""
    return OpenTelemetryMiddleware(
        bare(), tracer_provider=TracerProvider(), meter_provider=MeterProvider()
    )


VARIANTS: dict[str, Callable[[], Any]] = {
    BARE: bare,
    "firedrill.telemetry": firedrill,
    PEER: instrumentator,
    "opentelemetry-instrumentation-asgi": opentelemetry,
}


def scope() -> dict[str, Any]:
    """Return the scope of one request, as a server makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/items/7",
        "raw_path": b"/items/7",
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1:8000"),
            (b"user-agent", b"python-requests/2.34"),
            (b"accept-encoding", b"gzip, deflate"),
            (b"accept", b"*/*"),
            (b"connection", b"keep-alive"),
        ],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def receive() -> dict[str, Any]:
    """Return an empty request body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_message: dict[str, Any]) -> None:
    """Stand in for a server that takes every response."""


async def block_seconds(app: Any) -> float:
    """Return the mean CPU seconds of a request in one block, without other processes' time."""
    scopes = [scope() for _ in range(REQUESTS)]
    gc.collect()
    begun = time.thread_time()
    for one in scopes:
        await app(one, receive, send)
    return (time.thread_time() - begun) / REQUESTS


async def one_round(apps: dict[str, Any]) -> dict[str, float]:
    """Return the microseconds of a request by variant."""
    blocks = [name for name in apps for _ in range(BLOCKS)]
    random.shuffle(blocks)
    seconds: dict[str, list[float]] = {name: [] for name in apps}
    for name in blocks:
        seconds[name].append(await block_seconds(apps[name]))
    return {name: trimmed_mean(values) * 1e6 for name, values in seconds.items()}


async def measure() -> list[dict[str, Any]]:
    """Return a row for each variant."""
    apps = {name: build() for name, build in VARIANTS.items()}
    await one_round(apps)  # warm
    rounds = [await one_round(apps) for _ in range(ROUNDS)]
    added = {name: [times[name] - times[BARE] for times in rounds] for name in apps}
    return [
        {
            "variant": name,
            "request_us": round(statistics.median(times[name] for times in rounds), 1),
            "added_us": round(statistics.median(added[name]), 1),
            "ratio_to_peer": round(
                statistics.median(
                    mine / peer for mine, peer in zip(added[name], added[PEER], strict=True)
                ),
                2,
            ),
        }
        for name in apps
    ]


def main() -> None:
    """Measure, print, save."""
    rows = asyncio.run(measure())
    table(rows)
    save("asgi_tax", rows)


if __name__ == "__main__":
    main()
