"""The stack in containers: docker-compose.yml as a Compose project of its own for each run."""

from __future__ import annotations

import hashlib
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill import __version__, contract, places, target_paths
from firedrill.errors import Missing
from firedrill.interrupt import Interrupted
from firedrill.names import without_userinfo
from firedrill.objectives import bounds_text
from firedrill.profile import profile_file
from firedrill.stack import configuration
from firedrill.stack.containers import engine
from firedrill.stack.containers.web_control import WebControlledStack
from firedrill.stack.versions import of_machine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from firedrill.interrupt import Interrupt
    from firedrill.record.generator_outcome import GeneratorOutcome
    from firedrill.stack.plan import Plan, Ports, Server

SERVICE_OF_PART = {
    **{name: name for name in ("api", "prometheus", "alertmanager", "notifications")},
    "locust": "locust-master",
}
"""The Compose service of each part."""

SERVICES = (
    "api",
    "locust-master",
    "locust-worker",
    "prometheus",
    "alertmanager",
    "config",
    "notifications",
)
"""All services that a run needs; Grafana and those of Compose profiles are not among them."""
STATES_VALID_SECONDS = 2.0
"""How long the states of containers are cached; each query costs a process beside the load."""

ENGINE_PATIENCE_SECONDS = 15.0
"""An engine that is silent for so long has lost the containers. One slow answer proves nothing."""

GONE = -9
"""The exit code of a container that no longer exists."""

MOST_THREADS = 4000
"""Most threads of waitress: the API container's limit of processes, less a few of its own."""

REQUEST_SCRIPT = """
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout=20)
except urllib.error.HTTPError:
    pass  # an answer
"""


@dataclass(frozen=True, slots=True)
class Container:
    """A service's container as a part of the stack."""

    stack: ContainerStack
    name: str

    @property
    def log(self) -> Path:
        """The file with what it printed until now."""
        return self.stack.save_log(SERVICE_OF_PART[self.name])

    def exit_code(self) -> int | None:
        """Return the exit code (negative: a signal), None while it runs."""
        return self.stack.states().get(SERVICE_OF_PART[self.name])

    def last_log_line(self) -> str:
        """Return the last line it printed that is not blank."""
        lines = [line for line in self.log.read_text().splitlines() if line.strip()]
        return lines[-1].strip() if lines else "(it printed nothing)"


class ContainerStack(WebControlledStack):
    """Containers with ports on loopback; removed with networks and volumes at the end."""

    def __init__(self, plan: Plan, interrupt: Interrupt) -> None:
        super().__init__(
            plan,
            interrupt,
            *(
                f"http://{contract.LOOPBACK}:{port}"
                for port in (plan.ports.web, plan.ports.notifications)
            ),
        )
        self._project = engine.Project(project_name(plan.folder), run_variables(plan), interrupt)
        self._started: list[str] = []
        self._states: dict[str, int | None] = {}
        self._unsaved = False
        self._states_time = -STATES_VALID_SECONDS
        self._silent_since: float | None = None
        self._engine_is_lost = False
        """Whether the engine was silent for so long that it is not queried again."""

    def __exit__(self, *_: object) -> None:
        """Remove everything except samples that could not be copied out.

        Raises:
            Missing: something may be left; the message says how to remove it.
        """
        for service in self._started:
            self.save_log(service)
        if self._started:
            self._project.down(volumes=not self._unsaved)

    def states(self) -> dict[str, int | None]:
        """Return the exit code of each started service, None while it runs.

        A container that is gone counts as killed; so do all when the engine is silent.
        """
        if self._engine_is_lost:
            return dict.fromkeys(self._started, GONE)
        if time.monotonic() - self._states_time > STATES_VALID_SECONDS:
            self._refresh_states()
        return self._states

    def _refresh_states(self) -> None:
        self._states_time = time.monotonic()
        try:
            states = self._project.states()
        except Missing:
            self._silent_since = self._silent_since or time.monotonic()
            self._engine_is_lost = self._states_time - self._silent_since > ENGINE_PATIENCE_SECONDS
        else:
            self._states = {service: states.get(service, GONE) for service in self._started}
            self._silent_since = None

    def save_log(self, service: str) -> Path:
        """Write what a service printed to its file in the run's folder; return the file."""
        file = self.plan.folder / f"{service}.log"
        with suppress(OSError):
            file.write_text(self._log_text(service))
        return file

    def _log_text(self, service: str) -> str:
        with suppress(Missing):
            if not self._engine_is_lost:
                return self._project.log(service)
        return "the Docker engine does not answer\n"

    def _up(
        self, *services: str, scale: Mapping[str, int] | None = None, alone: bool = False
    ) -> None:
        if self._interrupt.requested:
            raise Interrupted(f"interrupted before {services[0]} was started")
        self._started += services
        self._project.up(*services, scale=scale, alone=alone)

    def start_prometheus(self) -> None:
        """Start Prometheus, and in the same call all that runs before the load.

        Compose takes a second for each call and starts the services of one call together.
        """
        _write_inputs(self.plan)
        api = ["api"] if self.plan.server else []
        self.plan.ports.hand_over("api", "metrics", "prometheus", "alertmanager", "notifications")
        self._up("config", "prometheus", "alertmanager", "notifications", *api)
        self.prometheus = Container(self, "prometheus")
        self.records = True

    def start_alerting(self) -> bool:
        """Take over Alertmanager and the receiver of notifications, which run already."""
        self.alertmanager, self.notifications = (
            Container(self, "alertmanager"),
            Container(self, "notifications"),
        )
        self.alerting = True
        return True

    def start_api(self) -> None:
        """Take over the bundled API, if this stack has it; it runs already."""
        if self.plan.server:
            self.api = Container(self, "api")

    def start_locust(self) -> None:
        """Start master and workers, and when all are there the load."""
        self.plan.ports.hand_over("web", "exporter")
        self._up(
            "locust-master", "locust-worker", scale={"locust-worker": self.plan.workers}, alone=True
        )
        self.locust = Container(self, "locust")
        if self.plan.target and not self._project.execute(
            "locust-master", "python3", "-c", REQUEST_SCRIPT, self.plan.target
        ):
            raise Missing(
                f"--target {without_userinfo(self.plan.target)}: does not answer inside the "
                f"containers; is it running, and on more than {contract.LOOPBACK}?"
            )
        self.start_load()

    def generator_outcome(self) -> GeneratorOutcome:
        """Return what the load generator told of its test when it was last asked."""
        return self._outcome_at(f"{contract.LOOPBACK}:{self.plan.ports.exporter}")

    def take_snapshot(self, destination: Path) -> None:
        """Copy a snapshot of all that Prometheus stored to a folder that does not exist."""
        self._copy_out(f"/prometheus/snapshots/{self.prom.snapshot()}", destination)

    def rescue(self, destination: Path) -> bool:
        """Copy there what a Prometheus that died left; False if it left nothing."""
        if "prometheus" not in self._started:
            return False
        self._copy_out("/prometheus", destination)
        return True

    def _copy_out(self, path: str, destination: Path) -> None:
        if not self._project.copy("prometheus", path, destination):
            self._unsaved = True
            shutil.rmtree(destination, ignore_errors=True)
            raise Missing(
                f"{destination} could not be written whole; "
                f"the samples stay in the volume {self._project.name}_prometheus-data"
            )

    def discard_data(self) -> None:
        """Do nothing: the volumes are removed with the containers."""

    def versions(self) -> dict[str, str]:
        """Return the version of each part; for those in containers their images."""
        return {
            "firedrill": __version__,
            "prometheus": self.prom.version(),
            "docker": engine.version(),
            **self._project.images(),
            **of_machine(),
        }


def project_name(folder: Path) -> str:
    """Return the name of a run's Compose project: its time, and a hash of its folder."""
    return (
        f"firedrill-{folder.name[:15]}-{hashlib.sha256(bytes(folder.absolute())).hexdigest()[:6]}"
    )


def build(interrupt: Interrupt) -> None:
    """Build the images that changed. Raises what `engine.Project.build` does."""
    engine.Project("firedrill", {}, interrupt).build()


def port_variables(ports: Ports) -> dict[str, str]:
    """Return docker-compose.yml's variables for the published ports."""
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


def server_variables(server: Server) -> dict[str, str]:
    """Return docker-compose.yml's variables for the API's server."""
    tuning = {
        "API_PROCESSES": server.processes,
        "API_THREADS": server.threads,
        "API_CONNECTION_LIMIT": server.connection_limit,
    }
    return {
        "API_SERVER": server.kind,
        **{name: str(value) for name, value in tuning.items() if value is not None},
    }


def profile_variables(profile: Path) -> dict[str, str]:
    """Return docker-compose.yml's variables for the load profile."""
    return {
        "LOAD_PROFILES": str(profile.absolute().parent),
        "LOAD_PROFILE": f"/srv/load/profiles/{profile.name}",
    }


def run_variables(plan: Plan) -> dict[str, str]:
    """Return all of docker-compose.yml's variables for a run."""
    chosen = {
        "RUN_ID": plan.run_id,
        "PROMETHEUS_SOURCE": str(_source(plan)),
        "TIME_SCALE": f"{plan.time_scale:g}",
        "OBJECTIVE_SECONDS": bounds_text(plan.objectives_seconds),
        "AUTOSTART": "false",
        # These override .env: a run is started as its options say.
        "LOAD_TARGET": plan.target or "http://api:8080",
        "LOAD_PATHS": target_paths.as_variable(plan.paths).get(target_paths.VARIABLE, ""),
        "LOAD_YOURS": str(places.LOAD / "yours"),
        "LOCUSTFILE": "load/locustfile.py",
        "BIND_ADDRESS": contract.LOOPBACK,
        "API_SERVER": "waitress",
        "API_THREADS": "4",
        "API_CONNECTION_LIMIT": "100",
        "PROMETHEUS_ADMIN_API": "--web.enable-admin-api",
        "EXPECT_WORKERS": str(plan.workers),
        "API_FAULTS": str(int(plan.takes_faults)),
        # A part that dies is not restarted, so that the run shows it.
        "RESTART": "no",
    }
    if plan.locustfile:
        chosen["LOAD_YOURS"] = str(plan.locustfile.absolute().parent)
        chosen["LOCUSTFILE"] = f"/yours/{plan.locustfile.name},load/firedrill_plugin.py"
    return {
        **chosen,
        **port_variables(plan.ports),
        **(server_variables(plan.server) if plan.server else {}),
        **profile_variables(_profile_copy(plan)),
    }


def _profile_copy(plan: Plan) -> Path:
    return plan.folder / "profiles" / "profile.yaml"


def _source(plan: Plan) -> Path:
    return plan.folder / "prometheus" / "source"


def _write_inputs(plan: Plan) -> None:
    """Write what the containers read: the profile, and Prometheus's folder with rules and targets.

    The rules as Prometheus loads them are written too, as in every run; the containers scale
    their own.
    """
    source, profiles = _source(plan), _profile_copy(plan).parent
    shutil.copytree(places.PROMETHEUS, source, ignore=shutil.ignore_patterns("tests"))
    profiles.mkdir()
    if plan.profile:
        shutil.copy(profile_file(plan.profile), _profile_copy(plan))
    if plan.server is None:
        (source / "targets" / "api.json").unlink()
    configuration.add_scrapes_and_rules(source, plan.scrapes, plan.rules)
    (scaled_rules := plan.folder / "prometheus" / "rules").mkdir()
    for file in (source / "rules").glob("*.yml"):
        (scaled_rules / file.name).write_text(configuration.scaled_text(file, plan.time_scale))
    for path in (source, profiles, *source.rglob("*"), *profiles.rglob("*")):
        # The users in the containers are others, and the umask may keep them out.
        path.chmod(0o755 if path.is_dir() else 0o644)
