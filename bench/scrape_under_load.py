"""How long a scrape of the API takes while its workers are busy and 500 connections wait.

64 worker threads of waitress, 564 clients that send a request as soon as they are answered. Work
either waits, as on a database, or computes, which holds the interpreter's lock, so that waitress
hardly accepts and connections queue in the kernel; `waiting` counts both queues. 50 scrapes each.
Aim: every one under 100 ms. Run: `python -m bench.scrape_under_load`.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import selectors
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

from bench.result_tables import save, table
from firedrill.contract import LOOPBACK
from firedrill.processes import ports

if TYPE_CHECKING:
    from collections.abc import Iterator

THREADS, QUEUEING, SCRAPES = 64, 500, 50
PAUSE_SECONDS = 0.1
LONGEST_SECONDS = 120
"""Time after which the clients end by themselves."""
WORK = {"waiting": "50-50ms", "computing": "2000-2000ms"}
"""Work takes long enough that all workers, which share the interpreter's lock, are busy."""
REQUEST = f"GET / HTTP/1.1\r\nHost: {LOOPBACK}\r\n\r\n".encode()


def clients(port: int) -> None:
    """Keep one request under way on each connection."""
    selector = selectors.DefaultSelector()
    for _ in range(THREADS + QUEUEING):
        connection = socket.create_connection((LOOPBACK, port))
        connection.sendall(REQUEST)
        selector.register(connection, selectors.EVENT_READ)
    end = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < end:
        for key, _ in selector.select(timeout=1):
            connection = key.fileobj  # type: ignore[assignment]
            if connection.recv(65536):
                connection.sendall(REQUEST)


@contextlib.contextmanager
def loaded_api(kind: str) -> Iterator[str]:
    """Run the API under that load; yield the address of its metrics."""
    port, metrics = ports.any_free(), ports.any_free()
    limits = [
        "--threads",
        str(THREADS),
        "--connection-limit",
        "1000",
        "--work",
        WORK[kind],
        "--work-kind",
        kind,
    ]
    command = [
        sys.executable,
        "-m",
        "api",
        *limits,
        "--port",
        str(port),
        "--metrics-port",
        str(metrics),
    ]
    load = multiprocessing.get_context("spawn").Process(target=clients, args=(port,), daemon=True)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as api:
        assert api.stderr
        api.stderr.readline()  # its addresses: it serves
        load.start()
        try:
            yield f"http://{LOOPBACK}:{metrics}/metrics"
        finally:
            load.kill()
            load.join()
            api.kill()


def scrape(url: str) -> tuple[float, str]:
    """Return the seconds that a scrape took, and its text."""
    begun = time.perf_counter()
    with urllib.request.urlopen(url, timeout=10) as response:
        text = response.read().decode()
    return time.perf_counter() - begun, text


def value(text: str, name: str) -> float:
    """Return a metric's value, whatever its labels; 0 if it is not there yet."""
    return next(
        (
            float(line.split()[1])
            for line in text.splitlines()
            if line.startswith((f"{name} ", f"{name}{{"))
        ),
        0.0,
    )


def waiting(text: str) -> float:
    """Return requests that wait for a worker plus connections that wait to be accepted."""
    return value(text, "http_server_queue_depth") + value(text, "tcp_listen_backlog")


def measured(kind: str) -> dict[str, object]:
    """Return one row of the table."""
    with loaded_api(kind) as url:
        wait_for_full_load(url)
        scrapes = []
        for _ in range(SCRAPES):
            scrapes.append(scrape(url))
            time.sleep(PAUSE_SECONDS)
    taken = [seconds * 1000 for seconds, _ in scrapes]
    return {
        "work": kind,
        "workers_busy_median": statistics.median(
            value(text, "http_server_workers_busy") for _, text in scrapes
        ),
        "waiting_median": statistics.median(waiting(text) for _, text in scrapes),
        "p50_ms": round(statistics.median(taken), 1),
        "max_ms": round(max(taken), 1),
    }


def wait_for_full_load(url: str) -> None:
    """Wait until every worker is busy and the other clients queue."""
    deadline = time.monotonic() + LONGEST_SECONDS / 2
    text = ""
    while value(text, "http_server_workers_busy") < THREADS or waiting(text) < QUEUEING * 0.9:
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"{value(text, 'http_server_workers_busy'):.0f} workers are busy"
                f" and {waiting(text):.0f} requests wait; expected {THREADS} and {QUEUEING}"
            )
        time.sleep(PAUSE_SECONDS)
        _, text = scrape(url)


def main() -> None:
    """Measure, print, save."""
    rows = [measured(kind) for kind in ("waiting", "computing")]
    table(rows)
    save("scrape_under_load", rows)


if __name__ == "__main__":
    main()
