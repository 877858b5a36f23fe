"""The Docker engine: one Compose project, through whichever Compose is installed."""

from __future__ import annotations

import functools
import math
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firedrill import places
from firedrill.errors import Missing
from firedrill.processes import command
from firedrill.stack.containers import compose_folder

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

    from firedrill.interrupt import Interrupt

HOW_TO_GET = "https://docs.docker.com/engine/install/, or leave --docker away"
REFUSALS = {
    "permission denied": (
        "may not be used by this user; expected membership of the group `docker`, or root"
    ),
    "Cannot connect to the Docker daemon": "does not answer; is it running?",
}

ANSWER_SECONDS = 20.0
"""How long a working engine may take to answer, even on a machine that stalls."""

REMOVAL_SECONDS = 300.0
"""How long a working engine may take to remove a project. A dead one fails at once."""


def need() -> list[str]:
    """Return Compose's command: `docker compose`, else the older `docker-compose`.

    Raises:
        Missing: there is no Docker, no Compose, or no engine that answers this user.
    """
    if not shutil.which("docker"):
        raise Missing(f"docker is not on PATH: {HOW_TO_GET}")
    _need_answer()
    return list(_find_compose(os.environ.get("PATH")))


@functools.cache
def _find_compose(_path: str | None) -> tuple[str, ...]:
    """Return Compose's command on this PATH; cached, as the older one takes a second to answer."""
    for words in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(words[0]) and command.run([*words, "version"]).returncode == 0:
            return words
    raise Missing(f"neither `docker compose` nor `docker-compose` works: {HOW_TO_GET}")


def _need_answer() -> None:
    answer = _ask_version()
    if answer.returncode:
        lines = answer.stderr.strip().splitlines() or ["it gave no reason"]
        refusals = [text for mark, text in REFUSALS.items() if mark in answer.stderr]
        raise Missing(f"the Docker engine {refusals[0] if refusals else f'failed: {lines[-1]}'}")


def version() -> str:
    """Return the engine's version, such as `28.2.2`."""
    return _ask_version().stdout.strip() or "unknown"


def _ask_version() -> subprocess.CompletedProcess[str]:
    return command.run(
        ["docker", "version", "--format", "{{.Server.Version}}"], patience_seconds=ANSWER_SECONDS
    )


@dataclass(frozen=True, slots=True)
class Project:
    """A Compose project of docker-compose.yml, with these variables on top of `.env`."""

    name: str
    variables: Mapping[str, str]
    interrupt: Interrupt | None = None
    """Ends commands that may take minutes."""
    compose: list[str] = field(default_factory=need)

    def up(
        self, *services: str, scale: Mapping[str, int] | None = None, alone: bool = False
    ) -> None:
        """Create and start services, and those that they depend on unless they are to start alone.

        Raises:
            Missing: one could not be built or started; the message is the engine's.
            Interrupted: somebody asked to stop first.
        """
        scales = [
            word
            for service, count in (scale or {}).items()
            for word in ("--scale", f"{service}={count}")
        ]
        self._must("up", "--detach", *(["--no-deps"] if alone else []), *scales, *services)

    def build(self) -> None:
        """Build what changed since the last time; minutes at first. Raises what `up` does."""
        self._must("build", "api", "locust-master", "config")

    def execute(self, service: str, *words: str) -> bool:
        """Run a command in a running service's container; return whether it succeeded."""
        return self._compose("exec", "-T", service, *words).returncode == 0

    def images(self) -> dict[str, str]:
        """Return the images by service, as `<service> image`."""
        return {f"{service} image": image for service, image in self._rows("{{.Image}}")}

    def states(self) -> dict[str, int | None]:
        """Return the exit codes by service, None while it runs.

        Raises Missing where the engine does not answer.
        """
        states = {
            service: row.split(" ", 1) for service, row in self._rows("{{.State}} {{.Status}}")
        }
        return {
            service: _exit_code(status) if state in {"exited", "dead"} else None
            for service, (state, status) in states.items()
        }

    def _rows(self, line: str) -> list[tuple[str, str]]:
        """Return (service, line) of each of its containers, ended ones included."""
        line = '{{.Label "com.docker.compose.service"}} ' + line
        query = [
            "docker",
            "ps",
            "--all",
            "--filter",
            f"label=com.docker.compose.project={self.name}",
            "--format",
            line,
        ]
        process = command.run(query, patience_seconds=ANSWER_SECONDS)
        if process.returncode:
            raise Missing(f"the Docker engine does not answer: {cause(process.stderr)}")
        return [
            (service, text)
            for service, _, text in (row.partition(" ") for row in process.stdout.splitlines())
        ]

    def log(self, service: str) -> str:
        """Return what a service's containers printed, in the order of time.

        Raises Missing where the engine does not answer.
        """
        containers = [container for name, container in self._rows("{{.ID}}") if name == service]
        outputs = [
            command.run(["docker", "logs", "--timestamps", container]) for container in containers
        ]
        lines = sorted(
            line
            for output in outputs
            if not output.returncode
            for line in (output.stdout + output.stderr).splitlines()
        )
        return "".join(f"{line.partition(' ')[2]}\n" for line in lines)

    def copy(self, service: str, path: str, destination: Path) -> bool:
        """Copy a file or folder out of a service's container; return False if it has none.

        Raises Missing where the engine does not answer.
        """
        container = dict(self._rows("{{.ID}}")).get(service)
        return (
            bool(container)
            and command.run(["docker", "cp", f"{container}:{path}", str(destination)]).returncode
            == 0
        )

    def read(self, service: str, path: str) -> str:
        """Return a small text file of a running service; empty if it has none."""
        return self._compose("exec", "-T", service, "cat", path).stdout.strip()

    def down(self, *, volumes: bool) -> None:
        """Remove its containers and networks, and its volumes too if asked.

        Raises:
            Missing: something may be left; the message says how to remove it.
        """
        process = _ask_version()
        if not process.returncode:
            process = self._compose(
                "down", *(["--volumes"] if volumes else []), "--remove-orphans", "--timeout", "10"
            )
        if process.returncode:
            raise Missing(
                f"{cause(process.stderr)}; when the engine answers: "
                f"docker compose --project-name {self.name} down --volumes"
            )

    def _must(self, *words: str) -> None:
        process = command.run(
            self._words(*words), self.variables, patience_seconds=math.inf, interrupt=self.interrupt
        )
        if process.returncode:
            raise Missing(f"docker compose {words[0]}: {cause(process.stderr + process.stdout)}")

    def _compose(self, *words: str) -> subprocess.CompletedProcess[str]:
        # Services behind a profile have volumes too, which `down` would forget.
        profiles = {"COMPOSE_PROFILES": "cli,tracing"} if words[0] == "down" else {}
        patience = REMOVAL_SECONDS if words[0] == "down" else command.PATIENCE_SECONDS
        return command.run(
            self._words(*words), {**self.variables, **profiles}, patience_seconds=patience
        )

    def _words(self, *words: str) -> list[str]:
        where = [
            "--project-directory",
            str(compose_folder.find()),
            "--file",
            str(compose_folder.find() / places.COMPOSE.name),
            "--project-name",
            self.name,
        ]
        return [*self.compose, *where, *words]


def _exit_code(status: str) -> int:
    """Parse `Exited (137) 3 seconds ago` as -9: the engine adds 128 to a signal's number."""
    code = int(status.partition("(")[2].partition(")")[0] or 0)
    return 128 - code if code > 128 else code


_NO_CAUSE = "Encountered errors while bringing up the project"
"""The last line of an older Compose, below the one that has the cause."""


def cause(text: str) -> str:
    """Return the line of Compose's output that has the cause of a failure."""
    lines = [
        " ".join(line.split())
        for line in text.splitlines()
        if line.strip() and not line.startswith(_NO_CAUSE)
    ]
    with_cause = [
        line
        for line in lines
        if any(
            word in line.lower()
            for word in ("error", "cannot", "denied", "no such", "invalid", "refused")
        )
    ]
    return (with_cause or lines or ["it gave no reason"])[-1]
