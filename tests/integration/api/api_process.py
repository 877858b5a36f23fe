"""The example API as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress

import requests

from firedrill.contract import LOOPBACK
from firedrill.places import ROOT
from firedrill.stack import ports
from tests.scraping import scrape
from tests.waiting import poll_until


class Api:
    """A process and its two addresses."""

    def __init__(self, process, url, metrics):
        self.process = process
        self.url = url
        self.metrics = metrics

    def get(self, path, **how):
        return requests.get(self.url + path, timeout=5, **how)

    def page(self):
        return scrape(self.metrics)

    def end(self, number):
        """Send a signal; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(10)

    def page_is_gone(self):
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, int(self.metrics.split(":")[2].split("/")[0]))) != 0


@contextmanager
def running(command, ready_port, metrics_port, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("API_", "FLASK_", "OTEL_"))}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**clean, **environment},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    api = Api(process, f"http://{LOOPBACK}:{ready_port}", f"http://{LOOPBACK}:{metrics_port}/metrics")

    def ready():
        assert process.poll() is None, process.stderr.read()
        try:
            return api.get("/readyz").ok
        except requests.ConnectionError:
            return False

    try:
        poll_until(ready, "the API to be ready", timeout_seconds=20)
        yield api
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the reloader's child as well
        process.communicate()


def module(server, *words):
    """`python -m api` on free ports."""
    port, metrics = ports.any_free(), ports.any_free()
    command = [sys.executable, "-m", "api", "--server", server, "--port", str(port), "--metrics-port", str(metrics), *words]
    return running(command, port, metrics)
