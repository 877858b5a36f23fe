"""The stack in containers: the shipped docker-compose.yml, as a project of its own for each run."""

from __future__ import annotations

import secrets
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from firedrill import __version__, contract, places
from firedrill.errors import BadInput, Missing
from firedrill.profile import profile_file
from firedrill.stack import config, engine
from firedrill.stack.steered import SteeredStack

if TYPE_CHECKING:
    from pathlib import Path

    from firedrill.interrupt import Interrupt
    from firedrill.stack.plan import Plan, Ports, Server

PARTS = {**{name: name for name in ("api", "prometheus", "alertmanager", "notifications")}, "locust": "locust-master"}
"""The service that is each part."""

SERVICES = ("api", "locust-master", "locust-worker", "prometheus", "alertmanager", "config", "notifications")
"""All but Grafana, which a run does not need, and what Compose profiles switch on."""
STATES_ARE_FRESH_SECONDS = 2.0
"""Asking the engine costs a process; the machine has a load to bear."""


@dataclass(frozen=True, slots=True)
class Container:
    """One service's container as a part."""

    stack: ComposedStack
    name: str

    @property
    def log(self) -> Path:
        """The file with what it printed until now."""
        return self.stack.save_log(PARTS[self.name])

    def ended(self) -> int | None:
        """The exit code (negative: a signal), None while it runs."""
        return self.stack.states().get(PARTS[self.name])

    def last_words(self) -> str:
        """The last line it printed that is not blank."""
        lines = [line for line in self.log.read_text().splitlines() if line.strip()]
        return lines[-1].strip() if lines else "(it said nothing)"


class ComposedStack(SteeredStack):
    """Containers, published on loopback; gone with their networks and volumes when it ends."""

    def __init__(self, plan: Plan, interrupt: Interrupt) -> None:
        super().__init__(plan, interrupt, *(f"http://{contract.LOOPBACK}:{port}" for port in (plan.ports.web, plan.ports.notifications)))
        self._project = engine.Project(f"firedrill-{plan.run_id[:15]}-{secrets.token_hex(3)}", of_run(plan))
        self._states: dict[str, int | None] = {}
        self._states_at = -STATES_ARE_FRESH_SECONDS

    def __exit__(self, *_: object) -> None:
        for service in SERVICES:
            self.save_log(service)
        self._project.down(volumes=True)

    def states(self) -> dict[str, int | None]:
        """Exit code by service, None while it runs."""
        if time.monotonic() - self._states_at > STATES_ARE_FRESH_SECONDS:
            self._states, self._states_at = self._project.states(), time.monotonic()
        return self._states

    def save_log(self, service: str) -> Path:
        """Write what a service printed to its file in the run's folder."""
        file = self.plan.folder / f"{service}.log"
        file.write_text(self._project.log(service))
        return file

    def start_prometheus(self) -> None:
        """Build the images, and start what watches."""
        _lay_out(self.plan)
        self._project.build()
        self._project.up("prometheus")
        self.prometheus = Container(self, "prometheus")
        self.records = True

    def start_alerting(self) -> bool:
        """Start Alertmanager and the receiver of its notifications."""
        self._project.up("alertmanager", "notifications")
        self.alertmanager, self.notifications = Container(self, "alertmanager"), Container(self, "notifications")
        self.alerting = True
        return True

    def start_api(self) -> None:
        """Start the bundled API, if this stack has it."""
        if self.plan.server:
            self._project.up("api")
            self.api = Container(self, "api")

    def start_locust(self) -> None:
        """Start master and workers, and when all are there the load."""
        self._project.up("locust-master", "locust-worker", scale={"locust-worker": self.plan.workers}, alone=True)
        self.locust = Container(self, "locust")
        self.start_load()

    def take_snapshot(self, destination: Path) -> None:
        """Copy a snapshot of all that Prometheus stored to a folder that does not exist."""
        if not self._project.copy("prometheus", f"/prometheus/snapshots/{self.prom.snapshot()}", destination):
            raise Missing("Prometheus's snapshot could not be copied out of its container")

    def rescue(self, destination: Path) -> bool:
        """Copy there what a Prometheus that died left; False if it left nothing."""
        return self._project.copy("prometheus", "/prometheus", destination)

    def discard_data(self) -> None:
        """Nothing: the volumes went with the containers."""

    def versions(self) -> dict[str, str]:
        """Version by part; what the containers hold is told by their images."""
        return {"firedrill": __version__, "prometheus": self.prom.version(), "docker": engine.version(), **self._project.images()}


def check(target: str | None) -> None:
    """Look for what a composed run needs.

    Raises:
        Missing: there is no engine, or none that answers.
        BadInput: the target is this machine as seen from itself.
    """
    engine.need()
    host = urlsplit(target or "").hostname
    if host in {"localhost", contract.LOOPBACK, "::1"}:
        raise BadInput(f"--target {target}: in a container that is the container itself; expected an address such as host.docker.internal")


def published(ports: Ports) -> dict[str, str]:
    """The variables of docker-compose.yml that say on which ports this machine reaches what."""
    names = {
        "API_PORT": ports.api,
        "API_METRICS_PORT": ports.metrics,
        "LOCUST_WEB_PORT": ports.web,
        "EXPORTER_PORT": ports.exporter,
        "PROMETHEUS_PORT": ports.prometheus,
        "ALERTMANAGER_PORT": ports.alertmanager,
        "NOTIFICATIONS_PORT": ports.notifications,
        "GRAFANA_PORT": ports.grafana,
    }
    return {name: str(port) for name, port in names.items()}


def served(server: Server) -> dict[str, str]:
    """The variables that say how the API is served."""
    tuned = {"API_THREADS": server.threads, "API_CONNECTION_LIMIT": server.connection_limit}
    return {"API_SERVER": server.kind, **{name: str(value) for name, value in tuned.items() if value is not None}}


def played(profile: Path) -> dict[str, str]:
    """The variables that say which profile is played."""
    return {"LOAD_PROFILES": str(profile.absolute().parent), "LOAD_PROFILE": f"/srv/load/profiles/{profile.name}"}


def of_run(plan: Plan) -> dict[str, str]:
    """What a run sets in docker-compose.yml."""
    chosen = {
        "RUN_ID": plan.run_id,
        "PROMETHEUS_SOURCE": str(plan.folder / "prometheus"),
        "TIME_SCALE": f"{plan.time_scale:g}",
        "AUTOSTART": "false",
        "EXPECT_WORKERS": str(plan.workers),
        "API_FAULTS": str(int(plan.takes_faults)),
        # A part that dies in a run stays dead: that is what is measured.
        "RESTART": "no",
    }
    if plan.takes_faults:
        chosen["API_FAULTS"] = "1"
    if plan.target:
        chosen["LOAD_TARGET"] = plan.target
    if plan.locustfile:
        chosen["LOAD_YOURS"] = str(plan.locustfile.absolute().parent)
        chosen["LOCUSTFILE"] = f"/yours/{plan.locustfile.name},load/shape.py,exporters/locust_exporter/plugin.py"
    return {**published(plan.ports), **(served(plan.server) if plan.server else {}), **played(_profile_copy(plan)), **chosen}


def _profile_copy(plan: Plan) -> Path:
    return plan.folder / "profiles" / "profile.yaml"


def _lay_out(plan: Plan) -> None:
    """Put what the containers read into the run's folder: the profile, and Prometheus's folder with this run's rules and targets."""
    source, profiles = plan.folder / "prometheus", _profile_copy(plan).parent
    shutil.copytree(places.PROMETHEUS, source, ignore=shutil.ignore_patterns("tests"))
    profiles.mkdir()
    if plan.profile:
        shutil.copy(profile_file(plan.profile), _profile_copy(plan))
    if plan.server is None:
        (source / "targets" / "api.json").unlink()
    config.add(source, plan.scrapes, plan.rules)
    for path in (source, profiles, *source.rglob("*"), *profiles.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # The containers' users are not this one, whatever its umask.
