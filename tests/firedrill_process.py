"""Start `firedrill` as a user does, on free ports, and watch the process."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from firedrill.contract import LOOPBACK
from firedrill.errors import FiredrillError
from firedrill.processes import ports
from firedrill.prometheus.client import Prometheus
from firedrill.record.run_folder import Run
from tests import required_programs
from tests.waiting import PATIENCE_SECONDS, poll_until

FIREDRILL = Path(sys.executable).parent / "firedrill"
LOCUSTFILES = Path(__file__).parent / "locustfiles"
PORT_OPTIONS = (
    "--port",
    "--metrics-port",
    "--exporter-port",
    "--prometheus-port",
    "--alertmanager-port",
    "--notifications-port",
)

PATIENT_SLO = "{p99: 30s, errors: 1%, starved_users: 1000}"
"""An SLO that holds on a machine that stands still for some seconds."""


@dataclass
class FiredrillProcess:
    """A `firedrill` process."""

    process: subprocess.Popen
    out: Path
    ports: dict[str, int]

    def finish(self, timeout_seconds=3 * PATIENCE_SECONDS):
        """Wait for the end; return (exit code, standard output, standard error)."""
        output, errors = self.process.communicate(timeout=timeout_seconds)
        return self.process.returncode, output, errors

    def folder(self):
        """Return the run's folder, None before there is one."""
        return next((path for path in self.out.glob("2*") if path.is_dir()), None)

    def run(self):
        """Return the recorded run."""
        return Run(self.folder())

    def pid_of(self, part):
        """Wait until a part runs; return its process id."""

        def find():
            port = self.ports[{"api": "--port"}.get(part, f"--{part}-port")]
            return next((pid for pid, words in _processes() if _is_part(words, part, port)), None)

        return poll_until(find, f"{part} to run")

    def wait_for_load(self):
        """Wait until Locust's users run."""
        poll_until(
            lambda: self.folder() and "All users spawned" in _text(self.folder() / "locust.log"),
            "the load to begin",
        )

    def wait_for_requests(self):
        """Wait until Prometheus has counted requests."""
        prom = self.prometheus()

        def seen():
            assert self.process.poll() is None, self.process.stderr.read()
            with suppress(FiredrillError):
                return prom.number("sum(locust_requests_total) > 0")

        poll_until(seen, "Prometheus to know of requests")

    def prometheus(self):
        """Return a client of the run's Prometheus."""
        return Prometheus(f"http://{LOOPBACK}:{self.ports['--prometheus-port']}")

    def interrupt(self):
        """Send what Ctrl-C sends."""
        self.process.send_signal(signal.SIGINT)

    def child_commands(self):
        """Return the command lines of the child processes."""
        child_pids = set(
            _text(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")).split()
        )
        return [words for pid, words in _processes() if str(pid) in child_pids]

    def leftovers(self):
        """Return command lines of processes that name one of the run's ports or its folder."""
        marks = [str(self.out), *(f"{option} {port}" for option, port in self.ports.items())]
        return [
            words
            for pid, words in _processes()
            if pid != os.getpid() and any(mark in words for mark in marks) and "pytest" not in words
        ]


def start(
    out,
    *words,
    command="run",
    environment=None,
    with_ports=True,
    docker=False,
    report=False,
    folder=None,
    locust=(),
):
    """Start `firedrill COMMAND WORDS…` on free ports, with its runs below `out`.

    Args:
        out: Folder of the recorded runs.
        words: Arguments and options of the command.
        command: `run`, or another command.
        environment: Variables to add to the environment.
        with_ports: Whether to pass options for free ports.
        docker: Whether the stack runs in containers, so that no Prometheus is needed here.
        report: Whether to write the report, which takes seconds.
        folder: Working directory.
        locust: Options for Locust, after `--`.
    """
    if not docker:
        required_programs.require("prometheus")
    chosen = {option: ports.any_free() for option in PORT_OPTIONS} if with_ports else {}
    options = [word for option, port in chosen.items() for word in (option, str(port))]
    if command == "run" and not report:
        options.append("--no-report")
    process = subprocess.Popen(
        [FIREDRILL, command, *map(str, words), "--out", out, *options, "--", *locust]
        if locust
        else [FIREDRILL, command, *map(str, words), "--out", out, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
        cwd=folder,
    )
    return FiredrillProcess(process, Path(out), chosen)


def write_profile(
    folder,
    *,
    users,
    seconds,
    slo="{p99: 1s, errors: 1%, starved_users: 0}",
    user="BasicUser",
    alerts="{}",
    think_time="0.5s..1s",
):
    """Write a profile with one step; return its path."""
    file = folder / "test.yaml"
    file.write_text(
        f"name: test\nuser: {user}\nthink_time: {think_time}\n"
        f"steps:\n  - {{start_time: 0s, users: {users}, spawn_rate: {users}}}\n"
        f"duration: {seconds}s\nwarmup: 2s\nslo: {slo}\nalerts: {alerts}\n"
    )
    return file


def _processes():
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield (
                    int(entry.name),
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"),
                )
            except OSError:
                continue


def _is_part(words, part, port):
    pattern = {
        "api": rf"-m api .*--port {port}\b",
        "prometheus": rf"prometheus .*--web.listen-address=127.0.0.1:{port}\b",
        "alertmanager": rf"alertmanager .*--web.listen-address=127.0.0.1:{port}\b",
        "notifications": rf"-m firedrill.notifications .*--port {port}\b",
    }[part]
    return bool(re.search(pattern, words)) and not words.startswith(("/usr/bin/setpriv", "setpriv"))


def _text(file):
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
