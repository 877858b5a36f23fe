"""The example API answers and counts the same on every server, in any number of processes."""

import signal
import subprocess
import sys

import pytest
import requests

from firedrill.processes import ports
from tests.scraped_metrics import scrape
from tests.waiting import PATIENCE_SECONDS, poll_until

SERVERS = {
    "gunicorn-sync": ("--server", "gunicorn", "--threads", "1", "--processes", "2"),
    "gunicorn-threads": ("--server", "gunicorn", "--threads", "3", "--processes", "2"),
    "uvicorn": ("--server", "uvicorn"),
    "uvicorn-processes": ("--server", "uvicorn", "--processes", "2"),
}
REQUESTS = 40


@pytest.fixture(params=SERVERS)
def served(request, tmp_path):
    """Start the example API; give its URL and that of its metrics."""
    port, metrics_port = ports.any_free(), ports.any_free()
    words = [*SERVERS[request.param], "--port", str(port), "--metrics-port", str(metrics_port)]
    with (tmp_path / "api.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "api", *words, "--work", "1ms"], stderr=log, stdout=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            poll_until(lambda: process.poll() is None and _answers(f"{url}/readyz"), "the API")
            yield url, f"http://127.0.0.1:{metrics_port}/metrics"
        finally:
            process.terminate()
            code = process.wait(PATIENCE_SECONDS)
    # uvicorn ends in order, and then by the signal that it got.
    assert code in {0, -signal.SIGTERM}, (tmp_path / "api.log").read_text()


def _answers(url):
    try:
        return requests.get(url, timeout=PATIENCE_SECONDS).ok
    except requests.RequestException:
        return False


def test_routes_answer_and_every_process_is_counted(served):
    url, metrics = served
    for _ in range(REQUESTS):
        assert requests.get(f"{url}/", timeout=PATIENCE_SECONDS).json()["worked_seconds"] > 0
    created = requests.post(f"{url}/items", json={"name": "lamp"}, timeout=PATIENCE_SECONDS)
    assert (created.status_code, created.json()["name"]) == (201, "lamp")
    missing = requests.get(f"{url}/items/999999", timeout=PATIENCE_SECONDS)
    assert (missing.status_code, "error" in missing.json()) == (404, True)

    def counted():
        name = "http_server_response_time_seconds_count"
        return scrape(metrics).total(name, http_route="/") == REQUESTS

    poll_until(counted, "every request to be counted")
