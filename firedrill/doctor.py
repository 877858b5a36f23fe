"""The checks of `firedrill doctor`: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.text import Text

from firedrill.errors import Missing
from firedrill.processes import ports, programs
from firedrill.stack import grafana
from firedrill.stack.containers import engine
from firedrill.stack.plan import PORT_OPTIONS

PACKAGES = ("flask", "waitress", "prometheus-client", "locust")


@dataclass(frozen=True, slots=True)
class Finding:
    """A program, package or port, and whether it is there."""

    name: str
    found: str | None
    """Its version or place; None if it is missing."""
    advice: str
    """How to get it, or what its absence means."""
    is_needed: bool = True

    @property
    def is_fatal(self) -> bool:
        """Whether nothing works without it."""
        return self.is_needed and self.found is None

    def line(self) -> Text:
        """Format it as a line for a terminal."""
        if self.found:
            mark, style = "ok", "green"
        elif self.is_needed:
            mark, style = "missing", "bold red"
        else:
            mark, style = "absent", "yellow"
        return Text.assemble((f"{mark:8}", style), f"{self.name:26}", self.found or self.advice)

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)


def examine() -> list[Finding]:
    """Check everything that Firedrill needs or can use."""
    return [
        Finding("python", platform.python_version(), ""),
        *(Finding(name, _package(name), f"pip install {name}") for name in PACKAGES),
        *(_program(name) for name in ("prometheus", "promtool")),
        _alertmanager(),
        _grafana(),
        _docker(),
        *(_port(option, default) for option, default in PORT_OPTIONS.values()),
    ]


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _program(name: str) -> Finding:
    program = programs.find(name)
    version_and_place = f"{programs.version(program)}  {_short(program)}" if program else None
    return Finding(name, version_and_place, programs.HOW_TO_GET)


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _alertmanager() -> Finding:
    finding = _program("alertmanager")
    return replace(
        finding,
        advice=f"optional, sends notifications of alerts: {finding.advice}",
        is_needed=False,
    )


def _grafana() -> Finding:
    installed = grafana.find()
    advice = (
        "optional: put `grafana` on PATH or set GRAFANA_HOME; `firedrill up` and `firedrill open` "
        "then start it with the dashboards"
    )
    return Finding(
        "grafana", str(installed.program) if installed else None, advice, is_needed=False
    )


def _docker() -> Finding:
    try:
        command = " ".join(engine.need())
    except Missing as error:
        return Finding("docker", None, f"optional, for --docker: {error}", is_needed=False)
    return Finding("docker", f"{engine.version()}  {command}", "", is_needed=False)


def _port(option: str, default: int) -> Finding:
    free = ports.is_free(default)
    return Finding(
        f"port {default}",
        f"free ({option})" if free else None,
        f"taken: a free one is used instead, or give {option}",
        is_needed=False,
    )
