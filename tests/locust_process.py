"""A real Locust process with the exporter, and its metrics."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

import requests

from firedrill.contract import LOOPBACK
from firedrill.places import EXPORTER_PLUGIN, LOCUSTFILE, ROOT
from firedrill.processes.ports import any_free
from tests.scraped_metrics import parse
from tests.waiting import PATIENCE_SECONDS, poll_until

LOCUST = Path(sys.executable).parent / "locust"
ASKED_TO_END = Path(__file__).parent / "locustfiles" / "asked_to_end.py"
SCRAPER = {"X-Prometheus-Scrape-Timeout-Seconds": "1", "User-Agent": "Prometheus/test"}


def worker_options(workers):
    """Return the options of a master that waits for so many workers, and of each worker."""
    bind, port = _bind_options()
    return (
        ("--master", "--expect-workers", workers, *bind),
        ("--worker", "--master-host", LOOPBACK, "--master-port", port),
    )


def forked_options(workers):
    """Return the options of a process that forks so many workers and becomes their master."""
    bind, port = _bind_options()
    return ("--processes", workers, *bind, "--master-port", port)


def _bind_options():
    port = any_free()
    return ("--master-bind-host", LOOPBACK, "--master-bind-port", port), port


class Locust:
    """A Locust process that runs while its `with` block lasts, and is killed at the end.

    `exporter=False` is for workers, which serve no metrics.

    Locust waits for the scrape of its final counts: a test that scrapes also scrapes these, or
    kills it.
    """

    def __init__(
        self,
        *arguments: object,
        files=(LOCUSTFILE, EXPORTER_PLUGIN),
        exporter=True,
        **environment: str,
    ) -> None:
        # Read by its name: the process shares this file's position, which a test must not move.
        self._log = tempfile.NamedTemporaryFile("wb")  # noqa: SIM115 - closed by __exit__
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FIREDRILL_", "LOAD_", "LOCUST_"))
        }
        ours = {
            "FIREDRILL_EXPORTER_PORT": "0",
            "FIREDRILL_LINGER_SECONDS": f"{PATIENCE_SECONDS:g}",
            "PYTHONUNBUFFERED": "1",
        }
        names = ",".join(str(file) for file in (ASKED_TO_END, *files))
        self.process = subprocess.Popen(
            [LOCUST, "-f", names, *(str(argument) for argument in arguments)],
            cwd=ROOT,
            env={**clean, **ours, **environment},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._exporter = exporter
        self.url = None

    def __enter__(self) -> Self:
        if self._exporter:
            self.url = poll_until(
                self._find_url, lambda: f"the exporter's address in the log:\n{self.log()}"
            )
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()

    def _find_url(self):
        lines = [line for line in self.log().splitlines() if "Metrics at " in line]
        assert lines or self.process.poll() is None, self.log()
        return lines[0].split("Metrics at ")[1] if lines else None

    def log(self):
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")

    def get(self, url=None, headers=None):
        """Return an answer of Locust.

        Ask again where the exporter gave up after some seconds, as on a machine that stands still.
        """

        def answer():
            try:
                answer = requests.get(url or self.url, timeout=PATIENCE_SECONDS, headers=headers)
            except requests.RequestException:
                if self.process.poll() is not None:
                    print(self.log())
                    raise
            else:
                return (answer,) if answer.status_code < 500 else None

        return poll_until(answer, "an answer of Locust")[0]

    def scrape(self, headers=None):
        return parse(self.get(headers=headers).text)

    def end_load(self):
        """End the load now, as Locust does when its run time is over."""
        self.process.send_signal(signal.SIGUSR1)

    def stop(self):
        """End the load; return scrapes as `scrape_until_the_end` does."""
        self.end_load()
        return self.scrape_until_the_end()

    def scrape_until_the_end(self):
        """Return the scrapes of a Prometheus, the last one with the final counts."""
        scrapes = []

        def has_ended():
            try:
                answer = requests.get(self.url, timeout=PATIENCE_SECONDS, headers=SCRAPER)
            except requests.RequestException:
                return self.process.poll() is not None
            if answer.ok:
                scrapes.append(parse(answer.text))
            return False

        poll_until(has_ended, "Locust to end", every_seconds=0.2)
        return scrapes

    def until(self, predicate, reason):
        """Return the first scraped metrics for which the predicate is true."""

        def look():
            metrics = self.scrape()
            return metrics if predicate(metrics) else None

        return poll_until(look, reason)

    def wait(self, timeout_seconds=PATIENCE_SECONDS):
        """Wait for the end; return the exit code."""
        return self.process.wait(timeout=timeout_seconds)
