"""A Flask application on a server of several processes, and the sum of what they counted."""

import http.client
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from firedrill.contract import LOOPBACK
from firedrill.places import ROOT
from firedrill.processes import ports
from tests.scraped_metrics import scrape
from tests.waiting import PATIENCE_SECONDS, poll_until

SOURCE = """
import os, time
from flask import Flask
from firedrill.telemetry import instrument

app = Flask(__name__)

@app.get("/")
def pid():
    return str(os.getpid())

@app.get("/fork")
def fork():
    child = os.fork()
    if not child:
        time.sleep(600)
    return str(child)

instrument(app, port=METRICS_PORT)
"""
COUNT = "http_server_request_duration_seconds_count"


class Served:
    """A running server, the requests that were sent, and the metrics of all its processes."""

    def __init__(self, process, port, metrics_port, log):
        self.process, self.port, self.log = process, port, log
        self.metrics = f"http://{LOOPBACK}:{metrics_port}/metrics"
        self.answers = Counter()
        self._lock = threading.Lock()

    def send(self, requests, *, clients=4, path="/"):
        """Send requests on fresh connections; return the bodies of the answers."""
        bodies = Counter()

        def work(share):
            for _ in range(share):
                status, body = self._get(path)
                with self._lock:
                    self.answers[status] += 1
                    bodies[body] += 1

        threads = [
            threading.Thread(target=work, args=(requests // clients,)) for _ in range(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return bodies

    def _get(self, path):
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__, ""
        finally:
            connection.close()

    def scrape(self):
        return scrape(self.metrics)

    def counted(self):
        """Requests of all processes; None while the endpoint does not answer."""
        try:
            return self.scrape().total(COUNT)
        except OSError:
            return None

    def await_counts(self):
        """Wait until every answer is counted."""
        wanted = self.answers[200]
        poll_until(
            lambda: self.counted() == wanted,
            lambda: f"{wanted} of {self.answers} to be counted, not {self.counted()}",
        )

    def workers(self):
        return psutil.Process(self.process.pid).children()

    def endpoints(self):
        """The metrics processes of this server's port."""
        port = self.metrics.split(":")[2].partition("/")[0]
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if "firedrill.telemetry.metrics_process" in (process.info["cmdline"] or [])
            and port in process.info["cmdline"]
        ]


@contextmanager
def serving(folder, command, source=SOURCE, **environment):
    """Serve the application in a folder; `{port}` in the command is the API's."""
    port, metrics_port = ports.any_free(), ports.any_free()
    (folder / "served.py").write_text(source.replace("METRICS_PORT", str(metrics_port)))
    log = folder / "log"
    words = [word.format(port=port) for word in command]
    words[0] = str(Path(sys.executable).parent / words[0])
    with log.open("w") as file:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    served = Served(process, port, metrics_port, log)
    try:
        poll_until(lambda: process.poll() is not None or listens(port), "the server to listen")
        yield served
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)


def listens(port):
    """Whether somebody listens; nothing is sent."""
    return any(
        found.status == psutil.CONN_LISTEN and found.laddr.port == port
        for found in psutil.net_connections("tcp")
    )
