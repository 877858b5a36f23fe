"""How much measuring adds to a request of a Flask application, in six ways.

A bare application is called through its WSGI callable, beside the same one instrumented six ways.
Blocks of requests run in shuffled order, so that a stall of the machine hits all alike. For each
variant and round the mean of its blocks without the slowest and fastest tenth counts; the median of
five rounds is given. Aim: to add less than prometheus_client by hand, traced or not.
Run: `python -m bench.instrumentation_tax`.
"""

from __future__ import annotations

import gc
import os
import random
import statistics
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

from flask import Flask, g, request
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_flask_exporter import PrometheusMetrics
from werkzeug.test import create_environ

from bench.result_tables import save, table
from firedrill.contract import ENDPOINT_BOUNDS_SECONDS
from firedrill.telemetry import instrument

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
BLOCKS = 20
"""Blocks per variant and round."""
REQUESTS = 50
"""Requests per block, which take about 10 ms."""
BY_HAND = "prometheus_client by hand"


def bare() -> Flask:
    """Return the application that every variant measures."""
    app = Flask(__name__)
    app.get("/")(lambda: "hello")
    return app


def firedrill() -> Flask:
    """Return it with this project's instrumentation, complete, the metrics process included."""
    app = bare()
    instrument(app, port=0)
    return app


def firedrill_tracing(ratio: float) -> Flask:
    """Return the same with a ratio of the requests traced and sent to a collector."""
    app = bare()
    os.environ |= {
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": str(ratio),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector(),
    }
    instrument(app, port=0, tracing=True)
    return app


def collector() -> str:
    """Return the address of a server that takes spans and forgets them."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def by_hand() -> Flask:
    """Return it with the usual hooks: one histogram and one counter by method, route and status."""
    app, registry = bare(), CollectorRegistry()
    labels = ("method", "route", "status")
    seconds = Histogram(
        "request_seconds", "Time.", labels, buckets=ENDPOINT_BOUNDS_SECONDS, registry=registry
    )
    requests = Counter("requests", "Count.", labels, registry=registry)

    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()

    @app.after_request
    def end(response: Any) -> Any:
        values = (
            request.method,
            request.url_rule.rule if request.url_rule else "none",
            str(response.status_code),
        )
        seconds.labels(*values).observe(time.perf_counter() - g.begun)
        requests.labels(*values).inc()
        return response

    return app


def flask_exporter() -> Flask:
    """Return it with prometheus-flask-exporter, as its README shows."""
    app = bare()
    PrometheusMetrics(app, registry=CollectorRegistry())
    return app


def opentelemetry() -> Flask:
    """Return it with opentelemetry-instrumentation-flask and its defaults.

    Each request gets a span and HTTP metrics, which are exported nowhere.
    """
    app = bare()
    FlaskInstrumentor().instrument_app(  # type: ignore[no-untyped-call]
        app, tracer_provider=TracerProvider(), meter_provider=MeterProvider()
    )
    return app


VARIANTS: dict[str, Callable[[], Flask]] = {
    "bare Flask": bare,
    "firedrill.telemetry": firedrill,
    "firedrill.telemetry, a request that is not traced": partial(firedrill_tracing, 0.0),
    "firedrill.telemetry, 1 % of the requests traced": partial(firedrill_tracing, 0.01),
    BY_HAND: by_hand,
    "prometheus-flask-exporter": flask_exporter,
    "opentelemetry-instrumentation-flask": opentelemetry,
}


def block_seconds(app: Flask) -> float:
    """Return the mean CPU seconds of a request in one block, without other processes' time."""
    environs = [create_environ("/") for _ in range(REQUESTS)]
    gc.collect()
    begun = time.thread_time()
    for environ in environs:
        body: Any = app(environ, start_response)
        b"".join(body)
        body.close()
    return (time.thread_time() - begun) / REQUESTS


def start_response(*_: object) -> Any:
    """Stand in for a server that takes every response."""


def trimmed_mean(values: list[float]) -> float:
    """Return the mean without the lowest and the highest tenth."""
    cut = len(values) // 10
    return statistics.fmean(sorted(values)[cut : len(values) - cut])


def one_round(apps: dict[str, Flask]) -> dict[str, float]:
    """Return the microseconds of a request by variant."""
    blocks = [name for name in apps for _ in range(BLOCKS)]
    random.shuffle(blocks)
    seconds: dict[str, list[float]] = {name: [] for name in apps}
    for name in blocks:
        seconds[name].append(block_seconds(apps[name]))
    return {name: trimmed_mean(values) * 1e6 for name, values in seconds.items()}


def main() -> None:
    """Measure, print, save."""
    apps = {name: build() for name, build in VARIANTS.items()}
    one_round(apps)  # warm
    rounds = [one_round(apps) for _ in range(ROUNDS)]
    added = {name: [times[name] - times["bare Flask"] for times in rounds] for name in apps}
    rows = [
        {
            "variant": name,
            "request_us": round(statistics.median(times[name] for times in rounds), 1),
            "added_us": round(statistics.median(added[name]), 1),
            "ratio_to_by_hand": round(
                statistics.median(
                    mine / hand for mine, hand in zip(added[name], added[BY_HAND], strict=True)
                ),
                2,
            ),
        }
        for name in apps
    ]
    table(rows)
    save("instrumentation_tax", rows)


if __name__ == "__main__":
    main()
