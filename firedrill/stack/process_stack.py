"""The stack as child processes: Prometheus, the bundled API, Locust, Alertmanager and Grafana."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from firedrill import contract, places, target_paths
from firedrill.objectives import BOUNDS_VARIABLE, bounds_text
from firedrill.processes import ports, programs
from firedrill.processes.children import Child, Children
from firedrill.prometheus.client import Prometheus
from firedrill.record.generator_outcome import GeneratorOutcome
from firedrill.stack import configuration, grafana, versions
from firedrill.stack.interface import Stack
from firedrill.stack.served_api import ServedApi

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

    from firedrill.interrupt import Interrupt
    from firedrill.stack.plan import Plan, Server

STOP_TIMEOUT_SECONDS = 2
"""How long a stopped user may wait for its answer; requests that hang longer are abandoned."""

LINGER_SECONDS = 8.0
"""How long Locust may take to end; with workers longer, for a slow one."""

WORKERS_SECONDS = STOP_TIMEOUT_SECONDS + 10.0
"""How much longer a master may take.

It waits for its workers' last reports, for --stop-timeout and the exporter's QUIT_SECONDS at most.
"""

WORKER_EXIT_SECONDS = 3.0
"""How long a worker may take to exit after a master that ended in order; its exit code counts."""

CONNECT_SECONDS = 60
"""How long Locust's workers may take to connect; each needs a second of CPU to start."""

RESEND_SECONDS = 5
"""How soon a firing alert is sent again; Prometheus's default is a minute.

Alerts are lost until Prometheus has found its Alertmanager, which takes 5 s.
"""


ENDPOINT_END_SECONDS = 5.0
"""Longest time that the API's metrics endpoint has to end after the API."""


class ProcessStack(Stack):
    """A stack of child processes on loopback."""

    prometheus: Child | None
    api: Child | None
    locust: Child | None
    alertmanager: Child | None
    notifications: Child | None
    workers: Sequence[Child]

    def __init__(self, plan: Plan, interrupt: Interrupt) -> None:
        super().__init__(plan, interrupt)
        # Absolute, so that no other stack's Prometheus is taken for this one.
        self._configuration = plan.folder.absolute() / "prometheus"
        self.prom = Prometheus(
            plan.prometheus_url, config_file=self._configuration / configuration.FILE
        )
        self._children = Children(plan.folder)
        self._seen_ended: set[str] = set()
        self._master_port: ports.HeldPort | None = None

    def __exit__(self, *_: object) -> None:
        self._children.stop_all()
        if self.api:
            # The metrics endpoint is no child of the API. It ends when it sees that the API has.
            ports.wait_until_refused(self.plan.ports.metrics, ENDPOINT_END_SECONDS)
        if self._master_port:
            self._master_port.release()

    @property
    def data(self) -> Path:
        """Prometheus's data folder."""
        return self._configuration / "data"

    def start_prometheus(self) -> None:
        """Start Prometheus. Do it first: its first scrape comes more than five seconds later.

        A command of `--serve` is started before: only when it answers it is known what it exports.
        """
        self._serve()
        self.records = True
        alertmanager = (
            f"{contract.LOOPBACK}:{self.plan.ports.alertmanager}"
            if alertmanager_program()
            else None
        )
        self.plan.ports.share("prometheus")
        file = configuration.write(
            self._configuration,
            self.scrapes,
            self.plan.rules,
            self.plan.time_scale,
            alertmanager,
            self.plan.remote_write.configuration(self.plan.run_id)
            if self.plan.remote_write
            else "",
        )
        self.prometheus = self._children.start(
            "prometheus",
            [
                programs.need("prometheus"),
                f"--config.file={file}",
                f"--storage.tsdb.path={self.data}",
                f"--web.listen-address={contract.LOOPBACK}:{self.plan.ports.prometheus}",
                "--web.enable-admin-api",
                "--web.enable-lifecycle",
                "--enable-feature=exemplar-storage",
                f"--rules.alert.resend-delay={RESEND_SECONDS}s",
            ],
        )

    def start_alerting(self) -> bool:
        """Start Alertmanager and the receiver of notifications; False without Alertmanager."""
        program, plan = alertmanager_program(), self.plan
        if program is None:
            return False
        address = ["--host", contract.LOOPBACK, "--port", str(plan.ports.notifications)]
        self.notifications = self._children.start(
            "notifications",
            [
                sys.executable,
                "-P",
                "-m",
                "firedrill.notifications",
                *address,
                "--out",
                plan.notifications,
            ],
            sockets=plan.ports.lend("notifications"),
        )
        folder = plan.folder / "alertmanager"
        file = configuration.write_routing(
            folder, plan.time_scale, f"http://{contract.LOOPBACK}:{plan.ports.notifications}/"
        )
        plan.ports.share("alertmanager")
        self.alertmanager = self._children.start(
            "alertmanager",
            [
                program,
                f"--config.file={file}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={contract.LOOPBACK}:{plan.ports.alertmanager}",
                "--cluster.listen-address=",  # Else it binds 9094 of every interface.
            ],
            folder=places.TOOLS if program.is_relative_to(places.TOOLS) else None,
        )
        self.alerting = True
        return True

    def fetch_notifications(self, patience_seconds: float = 2.0) -> None:
        """Do nothing: the receiver writes the file itself."""

    def _serve(self) -> None:
        """Start the user's own command, if there is one, and wait until it answers."""
        if self.plan.serve is None:
            return
        served = ServedApi(self.plan.serve, self.plan, self._interrupt)
        self.api = served.start(self._children)
        served.wait()
        self.host = served.url
        if served.publishes_metrics():
            self.scrapes += (self.plan.api_scrape,)
        else:
            self.uninstrumented = True

    def start_api(self) -> None:
        """Start the bundled API, if this stack has it."""
        if self.plan.server is None:
            return
        addresses = [
            "--port",
            str(self.plan.ports.api),
            "--metrics-port",
            str(self.plan.ports.metrics),
        ]
        self.api = self._children.start(
            "api",
            [
                sys.executable,
                "-P",
                "-m",
                "api",
                *self.plan.server.options(),
                *addresses,
                *(["--faults"] if self.plan.takes_faults else []),
            ],
            # First: users often have an `api` of their own.
            {
                "PYTHONPATH": os.pathsep.join([str(places.ROOT), *_python_path()]),
                BOUNDS_VARIABLE: bounds_text(self.plan.objectives_seconds),
                contract.RUN_ID_VARIABLE: self.plan.run_id,
            },
            sockets=self._api_sockets(self.plan.server),
        )

    def _api_sockets(self, server: Server) -> list[socket.socket]:
        if server.spawns:
            self.plan.ports.share("metrics")
            return self.plan.ports.lend("api")
        return self.plan.ports.lend("api", "metrics")

    def start_locust(self) -> None:
        """Start Locust on the plan's profile, headless or with its web page; start the load."""
        web = [
            "--web-host",
            contract.LOOPBACK,
            "--web-port",
            str(self.plan.ports.web),
            "--autostart",
        ]
        headless = [
            "--headless",
            "--only-summary",
            "--json-file",
            str(self.plan.folder / "locust_stats"),
        ]
        options = [
            *(web if self.plan.web else headless),
            "--stop-timeout",
            str(STOP_TIMEOUT_SECONDS),
        ]
        as_master = self._start_workers() if self.plan.workers > 1 else []
        if self.plan.web:
            self.plan.ports.share("web")
        self.locust = self._start_locust(
            "locust",
            [*([] if self.plan.keeps_hosts else ["--host", self.host]), *options, *as_master],
            self.plan.ports.lend("exporter"),
        )

    def _start_workers(self) -> list[str]:
        """Start the workers; return the options of their master."""
        self._master_port = ports.hold_any()
        self._master_port.share()
        host, port = contract.LOOPBACK, str(self._master_port.number)
        as_worker = ["--worker", "--master-host", host, "--master-port", port]
        self.workers = [
            self._start_locust(f"locust-worker-{number}", as_worker)
            for number in range(1, self.plan.workers + 1)
        ]
        worker_wait = [
            "--expect-workers",
            str(self.plan.workers),
            "--expect-workers-max-wait",
            str(CONNECT_SECONDS),
        ]
        return ["--master", "--master-bind-host", host, "--master-bind-port", port, *worker_wait]

    def _start_locust(
        self, name: str, options: Sequence[str], sockets: Sequence[socket.socket] = ()
    ) -> Child:
        command = [
            sys.executable,
            "-P",
            "-m",
            "locust",
            "-f",
            self._locustfiles(),
            "--exit-code-on-error",
            "0",
        ]
        return self._children.start(
            name,
            [*command, *options, *self.plan.locust_options],
            self._locust_environment(),
            sockets=sockets,
        )

    def _locustfiles(self) -> str:
        if self.plan.locustfile is None:
            return str(places.LOCUSTFILE)
        return ",".join(str(file) for file in (self.plan.locustfile, places.LOCUST_PLUGIN))

    def _locust_environment(self) -> dict[str, str]:
        plan = self.plan
        rates = {contract.RATES_VARIABLE: str(plan.rates_file)} if plan.has_live_rates else {}
        facts = {
            **rates,
            contract.RUN_ID_VARIABLE: plan.run_id,
            BOUNDS_VARIABLE: bounds_text(plan.objectives_seconds),
            "FIREDRILL_EXPORTER_PORT": str(plan.ports.exporter),
            "FIREDRILL_TIME_SCALE": f"{plan.time_scale:g}",
            "FIREDRILL_OUTCOME_FILE": str(self._outcome_file),
        }
        facts |= target_paths.as_variable(plan.paths)
        return facts if plan.profile is None else {**facts, "LOAD_PROFILE": plan.profile}

    def start_grafana(self) -> str | None:
        """Start Grafana if it is installed; return the password of its `admin`."""
        installed = grafana.find()
        if installed is None:
            return None
        self.plan.ports.share("grafana")
        _, password = installed.start(
            self._children,
            self.plan.folder / "grafana",
            self.plan.ports.grafana,
            self.plan.prometheus_url,
        )
        return password

    def newly_ended(self) -> list[str]:
        """Return the names of the parts that ended since the last call."""
        ended = {child.name for child in self._children.started if child.exit_code() is not None}
        new = sorted(ended - self._seen_ended)
        self._seen_ended |= ended
        return new

    @property
    def linger_seconds(self) -> float:
        """How long Locust may take to end; with workers longer, for a slow one."""
        return LINGER_SECONDS + (WORKERS_SECONDS if self.workers else 0.0)

    def end_locust(self) -> None:
        """Stop Locust: its users, its last report, its processes; kill it if it does not end."""
        if self.locust:
            # SIGINT, because a headless Locust with a load shape has no handler for SIGTERM: it
            # would die without its last figures.
            self.locust.send(signal.SIGINT)
            patience = 0.5 if self._interrupt.hurry else self.linger_seconds
            if not self.locust.wait(patience):
                self.unfinished = f"it had not ended {patience:g} s after it was told to stop"
            self.locust.stop(grace_seconds=0.5)
            if self.locust.exit_code() in range(256):
                for worker in self.workers:
                    worker.wait(WORKER_EXIT_SECONDS)

    @property
    def _outcome_file(self) -> Path:
        return self.plan.folder / "locust_outcome.json"

    def generator_outcome(self) -> GeneratorOutcome:
        """Return what the load generator told of its test until now, even if it is dead."""
        with suppress(OSError):
            return GeneratorOutcome.parse(self._outcome_file.read_text())
        return GeneratorOutcome()

    def load_ended(self) -> bool:
        """Return whether the load profile is over, or its generator is gone."""
        return self.locust is not None and self.locust.exit_code() is not None

    def take_snapshot(self, destination: Path) -> None:
        """Move a snapshot of all that Prometheus stored to a folder."""
        name = self.prom.snapshot()
        shutil.move(self.data / "snapshots" / name, destination)

    def rescue(self, destination: Path) -> bool:
        """Move there what a dead Prometheus left; return False if it left nothing."""
        if not self.data.is_dir():
            return False
        shutil.move(self.data, destination)
        return True

    def discard_data(self) -> None:
        """Delete the data that the snapshot is a copy of, once Prometheus has stopped."""
        shutil.rmtree(self.data, ignore_errors=True)

    def versions(self) -> dict[str, str]:
        """Return the version of each part; the machine's kernel and cores are parts too."""
        return versions.of_parts(self.prom)


def alertmanager_program() -> Path | None:
    """Return Alertmanager's program; None if there is none."""
    return programs.find("alertmanager")


def _python_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
