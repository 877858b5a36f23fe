"""Each server tells its queue, its busy workers and its limits, started as its users start it."""

import sys
import threading
from pathlib import Path

import pytest

from tests.integration.api.served_application import serving
from tests.waiting import poll_until

CLIENTS = 5
FLASK = """
import time
from pathlib import Path
from flask import Flask
from firedrill.telemetry import instrument

app = Flask(__name__)

@app.get("/gate")
def gate():
    while not Path("open").exists():
        time.sleep(0.02)
    return "open"

instrument(app, port=METRICS_PORT)
"""
FASTAPI = FLASK.replace("flask import Flask", "fastapi import FastAPI").replace(
    "Flask(__name__)", "FastAPI()"
)
WORKERS, BUSY = "http_server_workers_limit", "http_server_workers_busy"
QUEUE, CONNECTIONS = "http_server_queue_depth", "http_server_connections_limit"
ACTIVE, LAG = "http_server_active_requests", "python_event_loop_lag_seconds_count"
THREADS_OF_FASTAPI = {WORKERS: 40, BUSY: CLIENTS, QUEUE: 0, ACTIVE: CLIENTS}

SERVERS = {
    "waitress": (
        FLASK,
        "waitress-serve --listen=127.0.0.1:{port} --threads=2 served:app",
        {WORKERS: 2, BUSY: 2, QUEUE: CLIENTS - 2, CONNECTIONS: 98},
    ),
    "gunicorn sync": (
        FLASK,
        "gunicorn -w 2 -b 127.0.0.1:{port} served:app",
        {WORKERS: 2, BUSY: 2, QUEUE: None, CONNECTIONS: None},
    ),
    "gunicorn gthread": (
        FLASK,
        "gunicorn --threads 2 -b 127.0.0.1:{port} served:app",
        {WORKERS: 2, BUSY: 2, QUEUE: CLIENTS - 2, CONNECTIONS: 1000},
    ),
    "gunicorn gevent": (
        FLASK,
        "gunicorn -k gevent --worker-connections 50 -b 127.0.0.1:{port} served:app",
        {WORKERS: None, BUSY: None, QUEUE: None, CONNECTIONS: 50, ACTIVE: CLIENTS},
    ),
    "gunicorn asgi": (
        FASTAPI,
        "gunicorn -k asgi -b 127.0.0.1:{port} served:app",
        {**THREADS_OF_FASTAPI, CONNECTIONS: None},
    ),
    "uvicorn": (
        FASTAPI,
        "uvicorn --port {port} --limit-concurrency 20 served:app",
        {**THREADS_OF_FASTAPI, CONNECTIONS: 19},
    ),
    "hypercorn": (
        FASTAPI,
        "hypercorn -b 127.0.0.1:{port} served:app",
        {**THREADS_OF_FASTAPI, CONNECTIONS: None},
    ),
    "granian": (
        FASTAPI,
        "granian --interface asgi --port {port} --backpressure 64 served:app",
        {**THREADS_OF_FASTAPI, CONNECTIONS: 64},
    ),
}


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_tells_its_limits_and_what_is_used(server, tmp_path):
    source, command, expected = SERVERS[server]
    words = command.split()
    if not (Path(sys.executable).parent / words[0]).exists():
        pytest.skip(f"{words[0]} is not installed")
    with serving(tmp_path, words, source) as served:
        clients = threading.Thread(
            target=served.send, args=(CLIENTS,), kwargs={"clients": CLIENTS, "path": "/gate"}
        )
        clients.start()

        def seen():
            try:
                metrics = served.scrape()
            except OSError:
                return {}
            return {name: metrics.value(name) for name in expected}

        poll_until(
            lambda: seen() == expected,
            lambda: f"{expected}, not {seen()}; {served.log.read_text()}",
        )
        assert served.scrape().total("api_server_info", server=server) == 1
        assert (served.scrape().total(LAG) > 0) == (source is FASTAPI)
        (tmp_path / "open").touch()
        clients.join()
        assert served.answers == {200: CLIENTS}
        served.await_counts()
        if WORKERS in expected:
            poll_until(lambda: not served.scrape().total(BUSY), "all workers to be idle")
