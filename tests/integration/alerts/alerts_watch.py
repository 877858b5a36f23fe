"""Start `firedrill alerts watch` beside `firedrill up`, and save rule files that it watches."""

import shutil
import signal
import subprocess
from contextlib import contextmanager, suppress

import requests

from firedrill import places
from firedrill.contract import LOOPBACK
from firedrill.errors import FiredrillError
from firedrill.prometheus.client import Prometheus
from tests import firedrill_process
from tests.waiting import PATIENCE_SECONDS, poll_until

RULES = """groups:
  - name: mine
    interval: 1s
    rules:
      - {alert: Mine, expr: 'up{job="prometheus"} == EXPECTED', for: HELD}
"""


class WatchedStack:
    """A running stack, and a copy of the folder prometheus/ that is watched."""

    def __init__(self, source, prometheus, output):
        self.source = source
        self.prometheus = prometheus
        self._output = output

    def output(self):
        """Return the text that the watcher wrote."""
        return self._output.read_text()

    def save(self, expected, held="1h"):
        """Save the rule file with another expression of its alert."""
        (self.source / "rules" / "mine.yml").write_text(
            RULES.replace("EXPECTED", expected).replace("HELD", held)
        )

    def loaded(self):
        """Return the expressions of the edited alert that Prometheus has loaded."""
        answer = requests.get(
            f"{self.prometheus.url}/api/v1/rules", timeout=PATIENCE_SECONDS
        ).json()
        return [
            rule["query"]
            for group in answer["data"]["groups"]
            for rule in group["rules"]
            if rule["name"] == "Mine"
        ]

    def await_loaded(self, expected):
        """Wait until Prometheus has this expression."""
        poll_until(
            lambda: self.loaded() == [f'up{{job="prometheus"}} == {expected}'],
            "the rule to be loaded",
            every_seconds=0.02,
        )

    def number(self, query):
        """Return the number that a query gives, or None where Prometheus does not answer."""
        with suppress(FiredrillError):
            return self.prometheus.number(query)


@contextmanager
def watching(folder):
    """Run a stack and a watcher until the block ends."""
    source = shutil.copytree(places.PROMETHEUS, folder / "edited" / "prometheus")
    out, output = folder / "up", folder / "output.txt"
    up = firedrill_process.start(out, "--no-grafana", command="up")
    watched = WatchedStack(
        source, Prometheus(f"http://{LOOPBACK}:{up.ports['--prometheus-port']}"), output
    )
    watcher = None
    try:
        poll_until(
            lambda: (out / "up" / "stack.json").is_file() and watched.prometheus.is_ready(),
            "the stack to be up",
        )
        # The start of the API and of Locust would slow the watcher down, and the saves.
        poll_until(
            lambda: watched.number('count(up{job=~"api|locust"} == 1)') == 2,
            "the API and Locust to have started",
        )
        with output.open("w") as file:
            watcher = subprocess.Popen(
                [firedrill_process.FIREDRILL, "alerts", "watch", "--source", source, "--out", out],
                stdout=file,
                stderr=file,
            )
        poll_until(
            lambda: "is up to date" in watched.output(),
            lambda: f"the watcher to begin; it said {watched.output()!r}",
        )
        yield watched
    finally:
        if watcher:
            watcher.send_signal(signal.SIGINT)
            watcher.wait(PATIENCE_SECONDS)
        up.interrupt()
        up.finish()
