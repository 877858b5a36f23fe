"""A scrape of the API while its workers are all busy and 500 connections wait.

64 worker threads of waitress, 564 clients that ask again as soon as they are answered; work that waits (as on a database), and work that
computes (which holds the interpreter's lock, so that waitress hardly accepts and connections queue in the kernel: `waiting` counts both
queues). 50 scrapes each. Aim: every one under 100 ms. Run: `python -m bench.scrape_under_load`.
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
"""After so long the clients end by themselves."""
WORK = {"waiting": "50-50ms", "computing": "2000-2000ms"}
"""Computing is long enough that the workers, who share one interpreter's lock, are all busy together."""
REQUEST = f"GET / HTTP/1.1\r\nHost: {LOOPBACK}\r\n\r\n".encode()


def clients(port: int) -> None:
    """Connections that each have one request under way, always."""
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
    """The API under that load; the address of its metrics page."""
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
    """Seconds that a scrape took, and the page."""
    begun = time.perf_counter()
    with urllib.request.urlopen(url, timeout=10) as response:
        page = response.read().decode()
    return time.perf_counter() - begun, page


def value(page: str, name: str) -> float:
    """A metric's value, whatever its labels; 0 if it is not there yet."""
    return next(
        (
            float(line.split()[1])
            for line in page.splitlines()
            if line.startswith((f"{name} ", f"{name}{{"))
        ),
        0.0,
    )


def waiting(page: str) -> float:
    """Requests that wait for a worker, and connections that wait to be accepted."""
    return value(page, "http_server_queue_depth") + value(page, "tcp_listen_backlog")


def measured(kind: str) -> dict[str, object]:
    """One row of the table."""
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
            value(page, "http_server_workers_busy") for _, page in scrapes
        ),
        "waiting_median": statistics.median(waiting(page) for _, page in scrapes),
        "p50_ms": round(statistics.median(taken), 1),
        "max_ms": round(max(taken), 1),
    }


def wait_for_full_load(url: str) -> None:
    """Until every worker is busy and the rest of the clients wait."""
    deadline = time.monotonic() + LONGEST_SECONDS / 2
    page = ""
    while value(page, "http_server_workers_busy") < THREADS or waiting(page) < QUEUEING * 0.9:
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"{value(page, 'http_server_workers_busy'):.0f} workers are busy and {waiting(page):.0f} requests wait"
            )
        time.sleep(PAUSE_SECONDS)
        _, page = scrape(url)


def main() -> None:
    """Measure, print, save."""
    rows = [measured(kind) for kind in ("waiting", "computing")]
    table(rows)
    save("scrape_under_load", rows)


if __name__ == "__main__":
    main()
