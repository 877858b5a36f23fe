"""`firedrill` as a user calls it, on ports of the test's own."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from firedrill.contract import LOOPBACK
from firedrill.drill.judge.verdict import AGAINST_API, EXIT_CODES, Status
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
"""An SLO that a machine that stands still for some seconds cannot break: its requests take as long.

"""

OF_THE_MACHINE = frozenset({"generator_cpu", "loop_lag", "report_late", "scrape_gap", "blind"})
"""Reasons by which a run says that its generator, or the Prometheus that looks at it, got no time
(docs/profiles.md).
"""

AGAINST_OBJECTIVES = ("latency_", "alert_", "regression_", "errors", "starved_users")
"""How codes of the other reasons begin that fail a run and do not void it."""


@dataclass
class Drill:
    """A `firedrill` process."""

    process: subprocess.Popen
    out: Path
    ports: dict[str, int]

    def finish(self, timeout_seconds=3 * PATIENCE_SECONDS):
        """Wait for its end; returns (exit code, standard output, standard error)."""
        output, errors = self.process.communicate(timeout=timeout_seconds)
        return self.process.returncode, output, errors

    def folder(self):
        """The run's folder, once there is one."""
        return next((path for path in self.out.glob("2*") if path.is_dir()), None)

    def run(self):
        """The recorded run."""
        return Run(self.folder())

    def pid_of(self, part):
        """Process id of a part, once it runs."""

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
        """Wait until Prometheus has seen some."""
        prom = self.prometheus()

        def seen():
            assert self.process.poll() is None, self.process.stderr.read()
            with suppress(FiredrillError):
                return prom.number("sum(locust_requests_total) > 0")

        poll_until(seen, "Prometheus to know of requests")

    def prometheus(self):
        """Its Prometheus, while it runs."""
        return Prometheus(f"http://{LOOPBACK}:{self.ports['--prometheus-port']}")

    def interrupt(self):
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def children(self):
        """Command lines of the processes that it waits for."""
        wanted = set(
            _text(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")).split()
        )
        return [words for pid, words in _processes() if str(pid) in wanted]

    def leftovers(self):
        """Command lines of processes that still name one of this drill's ports or its folder."""
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
):
    """Start `firedrill COMMAND WORDS…` with free ports and its runs below `out`; a report, which
    takes seconds, only if asked.

    `folder` is the one that it is started in.
    """
    if not docker:
        required_programs.program("prometheus")
    chosen = {option: ports.any_free() for option in PORT_OPTIONS} if with_ports else {}
    options = [word for option, port in chosen.items() for word in (option, str(port))]
    if command == "run" and not report:
        options.append("--no-report")
    process = subprocess.Popen(
        [FIREDRILL, command, *map(str, words), "--out", out, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
        cwd=folder,
    )
    return Drill(process, Path(out), chosen)


def profile(
    folder,
    *,
    users,
    seconds,
    slo="{p99: 1s, errors: 1%, starved_users: 0}",
    user="BasicUser",
    alerts="{}",
    think_time="0.5s..1s",
):
    """A profile file with one step."""
    file = folder / "test.yaml"
    file.write_text(
        f"name: test\nuser: {user}\nthink_time: {think_time}\n"
        f"steps:\n  - {{start_time: 0s, users: {users}, spawn_rate: {users}}}\n"
        f"duration: {seconds}s\nwarmup: 2s\nslo: {slo}\nalerts: {alerts}\n"
    )
    return file


def judged(code, document, excused=OF_THE_MACHINE):
    """(status, codes of the reasons) of a run, without the reasons that lie in the machine alone.

    Those void a run whatever else is found in it. The rest is the verdict of a faster machine.
    """
    verdict = document["verdict"]
    status, codes = verdict["status"], [reason["code"] for reason in verdict["reasons"]]
    assert code == EXIT_CODES[Status(status)], (code, status)
    others = [reason for reason in codes if reason not in excused]
    if status == Status.INVALID and others != codes and all(_fails(reason) for reason in others):
        status = Status.FAILED if others else Status.PASSED
    return str(status), others


def _fails(code):
    return code in AGAINST_API or code.startswith(AGAINST_OBJECTIVES)


def failed(code, document, excused=OF_THE_MACHINE):
    """Whether a run failed, or would have on a faster machine."""
    return judged(code, document, excused)[0] == Status.FAILED


def passed(code, document, excused=OF_THE_MACHINE):
    """Whether a run passed, or would have on a faster machine."""
    return judged(code, document, excused)[0] == Status.PASSED


def locust_total(run):
    """Locust's own final counts: (requests, failures)."""
    entries = json.loads((run.folder / "locust_stats.json").read_text())
    return sum(entry["num_requests"] for entry in entries), sum(
        entry["num_failures"] for entry in entries
    )


def locust_p99_ms(run):
    """Locust's own 99th percentile, as it would print it."""
    times = {}
    for entry in json.loads((run.folder / "locust_stats.json").read_text()):
        for time, count in entry["response_times"].items():
            times[float(time)] = times.get(float(time), 0) + count
    rank, seen = 0.99 * sum(times.values()), 0
    for time in sorted(times):
        seen += times[time]
        if seen >= rank:
            return time
    return None


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
