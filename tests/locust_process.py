"""A real Locust process with the exporter, and what its page says."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

import requests

from firedrill.places import EXPORTER_PLUGIN, LOCUSTFILE, ROOT
from tests.scraping import parse
from tests.waiting import poll_until

LOCUST = Path(sys.executable).parent / "locust"
SCRAPER = {"X-Prometheus-Scrape-Timeout-Seconds": "1", "User-Agent": "Prometheus/test"}


class Locust:
    """Runs while its `with` block lasts. `exporter=False` is for workers, which serve no page."""

    def __init__(self, *arguments: object, files=(LOCUSTFILE, EXPORTER_PLUGIN), exporter=True, **environment: str) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by __exit__
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("FIREDRILL_", "LOAD_", "LOCUST_"))}
        names = ",".join(str(file) for file in files)
        self.process = subprocess.Popen(
            [LOCUST, "-f", names, *(str(argument) for argument in arguments)],
            cwd=ROOT,
            env={**clean, "FIREDRILL_EXPORTER_PORT": "0", "PYTHONUNBUFFERED": "1", **environment},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._exporter = exporter
        self.url = None

    def __enter__(self) -> Self:
        if self._exporter:
            self.url = poll_until(self._find_url, "the exporter's address in the log")
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._log.close()

    def _find_url(self):
        lines = [line for line in self.log().splitlines() if "Metrics at " in line]
        assert lines or self.process.poll() is None, self.log()
        return lines[0].split("Metrics at ")[1] if lines else None

    def log(self):
        self._log.seek(0)
        return self._log.read()

    def scrape(self, headers=None):
        return parse(requests.get(self.url, timeout=5, headers=headers).text)

    def scrape_until_the_end(self):
        """Pages as a Prometheus fetches them, the last one after the final counts were there."""
        pages = []

        def has_ended():
            try:
                pages.append(self.scrape(SCRAPER))
            except requests.ConnectionError:
                return self.process.poll() is not None
            return False

        poll_until(has_ended, "Locust to end", timeout_seconds=40, every_seconds=0.2)
        return pages

    def until(self, predicate, reason, timeout_seconds=20):
        """The first page of which the predicate is true."""

        def look():
            page = self.scrape()
            return page if predicate(page) else None

        return poll_until(look, reason, timeout_seconds)

    def wait(self, timeout_seconds=30):
        """Exit code."""
        return self.process.wait(timeout=timeout_seconds)
