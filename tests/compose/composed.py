"""A composed stack under test: the shipped docker-compose.yml with ports, names and folders of its
own.
"""

import json
import os
import secrets
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from firedrill import places
from firedrill.contract import LOOPBACK
from firedrill.errors import FiredrillError
from firedrill.processes import ports
from firedrill.prometheus.client import Prometheus
from firedrill.stack.containers import container_stack, engine
from tests import verdicts
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

PATIENCE_SECONDS = 480.0
"""How long a test waits for containers. Nine of them take many times longer on a busy machine."""

STALLED_CONTAINER_REASONS = verdicts.MACHINE_REASONS | {"worker_missing", "users_behind"}
"""Reasons to ignore on a machine that stalls: the master gives up a worker that stands still for
seconds, and its users fall behind.
"""


def all_are_counted(document):
    """Return whether the server finished every request that the client counted.

    Beside them it finished those that users sent while they were being stopped, and may have
    finished those that clients abandoned when the load ended.
    """
    counts, given_up = document["figures"]["counts"], document["figures"]["honesty"]["abandoned"]
    counted = counts["client_requests"] + sum(counts["outside_load"].values())
    beside = counts["server_finished"] - counted
    return 0 <= beside <= sum(number or 0 for number in given_up.values())


def leftovers(project):
    """Return the ids of a project's containers, networks and volumes that the engine still has."""
    kinds = (["ps", "-aq"], ["network", "ls", "-q"], ["volume", "ls", "-q"])
    return [
        identifier
        for kind in kinds
        for identifier in docker(
            *kind, "--filter", f"label=com.docker.compose.project={project}"
        ).split()
    ]


def answer(prom, query):
    """Return the result of a query; an empty list where Prometheus does not answer."""
    with suppress(FiredrillError):
        return prom.instant(query)
    return []


def eventually(prom, query, reason=None):
    """Wait until a query has a result; return it."""
    return poll_until(
        lambda: answer(prom, query),
        reason or f"an answer to {query}",
        PATIENCE_SECONDS,
        every_seconds=0.5,
    )


class Composed:
    """A Compose project that its context manager removes, volumes included."""

    def __init__(self, name, folder, images, **variables):
        self.ports = {port: ports.any_free() for port in PORTS}
        self.source = Path(folder) / "prometheus"
        shutil.copytree(places.PROMETHEUS, self.source)
        for path in (self.source, *self.source.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        own = {
            "PROMETHEUS_SOURCE": str(self.source),
            "API_FAULTS": "1",
            "LOAD_PROFILE": "smoke",
            "HEALTH_INTERVAL": "5s",
        }
        self.variables = {
            **images,
            **own,
            **{port: str(number) for port, number in self.ports.items()},
            **variables,
        }
        self.project = engine.Project(f"firedrill-{name}-{secrets.token_hex(3)}", self.variables)
        self.prom = Prometheus(self.url("PROMETHEUS_PORT"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.project.down(volumes=True)

    def url(self, port):
        """Return the base URL of a published port."""
        return f"http://{LOOPBACK}:{self.ports[port]}"

    def up(self, *services, workers=1):
        """Start services, or all but Grafana if none is named; their images are built already."""
        self.project.up(
            *(services or container_stack.SERVICES),
            scale={} if services else {"locust-worker": workers},
        )

    def compose(self, *words):
        """Run Compose on the project; return the finished process."""
        where = [
            "--project-directory",
            places.ROOT,
            "--file",
            places.COMPOSE,
            "--project-name",
            self.project.name,
        ]
        command = [*self.project.compose, *where, *words]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **self.variables},
        )

    def containers(self, service=None):
        """Return the ids of the project's permanent containers, ended ones included."""
        labels = {
            "project": self.project.name,
            "oneoff": "False",
            **({"service": service} if service else {}),
        }
        filters = [
            word
            for label, value in labels.items()
            for word in ("--filter", f"label=com.docker.compose.{label}={value}")
        ]
        return docker("ps", "-aq", *filters).split()

    def inspect(self, service):
        """Return what `docker inspect` says of a service's first container."""
        return json.loads(docker("inspect", self.containers(service)[0]))[0]

    def execute(self, service, *command, check=True):
        """Run a command inside a service's first container; return its output."""
        return docker("exec", self.containers(service)[0], *command, check=check)

    def healths(self):
        """Return the health of each container by its name."""
        template = "{{.Name}} {{.State.Health.Status}}"
        return dict(
            line.split()
            for line in docker("inspect", "--format", template, *self.containers()).splitlines()
        )

    def wait_until_healthy(self):
        """Wait until every container is healthy."""
        poll_until(
            lambda: not self.unhealthy(),
            lambda: f"all containers to be healthy; ill are {self.unhealthy()}",
            PATIENCE_SECONDS,
            0.5,
        )

    def unhealthy(self):
        """Return the names of containers that are not healthy, or not yet."""
        return [name for name, health in self.healths().items() if health != "healthy"]

    def reaches(self, service, host, port):
        """Return whether a service's container can connect to a TCP port within two seconds."""
        program = f"import socket; socket.create_connection(({host!r}, {port}), 2)"
        command = ["docker", "exec", self.containers(service)[0], "python3", "-c", program]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
