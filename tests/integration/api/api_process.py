"""The example API as a process of its own."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import requests

from firedrill.contract import LOOPBACK
from firedrill.fault_client import FaultClient
from firedrill.places import ROOT
from firedrill.processes import ports
from tests.scraped_metrics import scrape
from tests.waiting import PATIENCE_SECONDS, poll_until

METRICS_PROCESS = "firedrill.telemetry.metrics_process"


class Api:
    """A process, its two addresses and what it says on standard error."""

    def __init__(self, process, url, metrics, errors):
        self.process = process
        self.url = url
        self.metrics = metrics
        self._errors = errors
        self._metrics_process = None

    def get(self, path, **how):
        return requests.get(self.url + path, timeout=PATIENCE_SECONDS, **how)

    def status(self, path):
        """The status of an answer, None if the connection is refused, or closed on the way."""
        try:
            return self.get(path).status_code
        except requests.ConnectionError:
            return None

    def faults(self):
        """The client that sets faults on the metrics port."""
        return FaultClient(self.metrics.removesuffix("/metrics"), PATIENCE_SECONDS)

    def scrape(self):
        return scrape(self.metrics)

    def said(self):
        """Lines on standard error."""
        return self._errors.read_text().splitlines()

    def metrics_process(self):
        """The process that serves the metrics endpoint. It is no child of the API."""
        (process,) = [
            found
            for found in psutil.process_iter(["cmdline"])
            if METRICS_PROCESS in (found.info["cmdline"] or []) and self._publishes(found)
        ]
        return process

    def _publishes(self, found):
        mine = {self.process.pid, *(child.pid for child in self.children())}
        return int(found.info["cmdline"][-1]) in mine

    def children(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number):
        """Send a signal; returns the exit code."""
        self._metrics_process = self.metrics_process()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def metrics_process_has_ended(self):
        """Whether the metrics process ended, after `end`.

        Its port proves nothing: somebody else may have it by then.
        """
        try:
            return (
                not self._metrics_process.is_running()
                or self._metrics_process.status() == psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return True


@contextmanager
def running(command, ports_of, **environment):
    """Start the command; `ports_of` finds the ports of the API and of its page in what it says."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("API_", "FLASK_", "OTEL_"))
    }
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder) / "stderr"
        with errors.open("w") as file:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**clean, **environment},
                stderr=file,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            yield _ready(process, errors, ports_of)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the reloader's child as well
            process.wait(PATIENCE_SECONDS)


def _ready(process, errors, ports_of):
    def found():
        assert process.poll() is None, errors.read_text()
        return ports_of(errors.read_text())

    port, metrics_port = poll_until(found, "the API to say where it listens")
    api = Api(
        process, f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{metrics_port}/metrics", errors
    )

    def ready():
        assert process.poll() is None, errors.read_text()
        try:
            return api.get("/readyz").ok
        except requests.ConnectionError:
            return False

    poll_until(ready, "the API to be ready")
    return api


def module(server, *words, **environment):
    """`python -m api`, on free ports that it takes and tells itself."""
    command = [
        sys.executable,
        "-m",
        "api",
        "--server",
        server,
        "--port",
        "0",
        "--metrics-port",
        "0",
        *words,
    ]
    return running(command, _told, **environment)


def flask(*words, **environment):
    """`flask run` on free ports."""
    port, metrics = ports.any_free(), ports.any_free()
    command = [Path(sys.executable).parent / "flask", "run", "--port", str(port), *words]
    return running(
        command,
        lambda _: (port, metrics),
        FLASK_APP="api:app",
        API_METRICS_PORT=str(metrics),
        **environment,
    )


def _told(said):
    match = re.search(
        r"^api: \S+ on http://[^:]+:(\d+), metrics on http://[^:]+:(\d+)/metrics$",
        said,
        re.MULTILINE,
    )
    return match and match.groups()
