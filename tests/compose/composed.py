"""A composed stack under test: the shipped docker-compose.yml with ports, names and folders of the test's own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from firedrill import places
from firedrill.contract import LOOPBACK
from firedrill.prom import Prometheus
from firedrill.stack import compose, engine, ports
from tests.compose.docker_engine import docker
from tests.waiting import poll_until

PORTS = (
    "API_PORT",
    "API_METRICS_PORT",
    "LOCUST_WEB_PORT",
    "EXPORTER_PORT",
    "PROMETHEUS_PORT",
    "ALERTMANAGER_PORT",
    "NOTIFICATIONS_PORT",
    "GRAFANA_PORT",
)


class Composed:
    """A Compose project; a context manager that removes it, volumes included."""

    def __init__(self, name, folder, images, **variables):
        self.ports = {port: ports.any_free() for port in PORTS}
        self.source = Path(folder) / "prometheus"
        shutil.copytree(places.PROMETHEUS, self.source)
        for path in (self.source, *self.source.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        own = {"PROMETHEUS_SOURCE": str(self.source), "API_FAULTS": "1", "LOAD_PROFILE": "smoke"}
        self.variables = {**images, **own, **{port: str(number) for port, number in self.ports.items()}, **variables}
        self.project = engine.Project(name, self.variables)
        self.prom = Prometheus(self.url("PROMETHEUS_PORT"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.project.down(volumes=True)

    def url(self, port):
        """Base URL of a published port."""
        return f"http://{LOOPBACK}:{self.ports[port]}"

    def up(self, *services, workers=1, alone=False):
        """Build, and start services; all but Grafana if none is named, and without those they depend on if alone."""
        self.project.build()
        self.project.up(*(services or compose.SERVICES), scale={} if services else {"locust-worker": workers}, alone=alone)

    def compose(self, *words):
        """Run Compose on the project; returns the finished process."""
        where = ["--project-directory", places.ROOT, "--file", places.COMPOSE, "--project-name", self.project.name]
        command = [*self.project.compose, *where, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **self.variables})

    def containers(self, service=None):
        """Ids of its containers, ended ones included."""
        filters = [f"label=com.docker.compose.project={self.project.name}"]
        filters += [f"label=com.docker.compose.service={service}"] if service else []
        return docker("ps", "-aq", *(word for each in filters for word in ("--filter", each))).split()

    def inspect(self, service):
        """What the engine says of a service's first container."""
        return json.loads(docker("inspect", self.containers(service)[0]))[0]

    def execute(self, service, *command, check=True):
        """Run a command inside a service's first container; returns its output."""
        return docker("exec", self.containers(service)[0], *command, check=check)

    def healths(self):
        """Health by container name."""
        template = "{{.Name}} {{.State.Health.Status}}"
        return dict(line.split() for line in docker("inspect", "--format", template, *self.containers()).splitlines())

    def wait_until_healthy(self, timeout_seconds=60):
        """Wait until every container is healthy."""
        poll_until(lambda: not self.unhealthy(), lambda: f"all containers to be healthy; ill are {self.unhealthy()}", timeout_seconds, 0.5)

    def unhealthy(self):
        """Names of containers that are not healthy, or not yet."""
        return [name for name, health in self.healths().items() if health != "healthy"]

    def reaches(self, service, host, port):
        """Whether a TCP connection from inside a service's container succeeds."""
        program = f"import socket; socket.create_connection(({host!r}, {port}), 2)"
        command = ["docker", "exec", self.containers(service)[0], "python3", "-c", program]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
