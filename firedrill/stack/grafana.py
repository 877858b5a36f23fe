"""Grafana beside an embedded stack, where one is installed: with the bundle's own provisioning, on loopback, anonymous viewers only."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firedrill import contract, places

if TYPE_CHECKING:
    from firedrill.processes.children import Child, Children


@dataclass(frozen=True, slots=True)
class Grafana:
    """An installed Grafana: its home folder, and the program in it."""

    home: Path
    program: Path

    def start(
        self, children: Children, data: Path, port: int, prometheus_url: str
    ) -> tuple[Child, str]:
        """Start it on a Prometheus; returns the process and the generated password of its `admin`."""
        password = secrets.token_urlsafe(12)
        command: list[str | Path] = [self.program, "server", "--homepath", self.home]
        return children.start(
            "grafana", command, self._environment(data, port, prometheus_url, password)
        ), password

    def _environment(
        self, data: Path, port: int, prometheus_url: str, password: str
    ) -> dict[str, str]:
        return {
            "GF_SERVER_HTTP_ADDR": contract.LOOPBACK,
            "GF_SERVER_HTTP_PORT": str(port),
            "GF_PATHS_DATA": str(data),
            "GF_PATHS_LOGS": str(data / "log"),
            "GF_PATHS_PROVISIONING": str(places.GRAFANA / "provisioning"),
            "GF_AUTH_ANONYMOUS_ENABLED": "true",
            "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
            "GF_SECURITY_ADMIN_PASSWORD": password,
            "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(
                places.GRAFANA / "dashboards" / "golden-signals.json"
            ),
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
            "GF_NEWS_NEWS_FEED_ENABLED": "false",
            "PROMETHEUS_URL": prometheus_url,
            "TEMPO_URL": os.environ.get(
                "TEMPO_URL", f"http://{contract.LOOPBACK}:{contract.TEMPO_PORT}"
            ),
            "DASHBOARDS_PATH": str(places.GRAFANA / "dashboards"),
        }


def find() -> Grafana | None:
    """The Grafana below GRAFANA_HOME, else the one whose program is on PATH; None where there is none."""
    named = os.environ.get("GRAFANA_HOME")
    program = (
        shutil.which("grafana", path=str(Path(named) / "bin")) if named else shutil.which("grafana")
    )
    if program is None:
        return None
    return Grafana(Path(named) if named else _home_of(Path(program).resolve()), Path(program))


def _home_of(program: Path) -> Path:
    """Packages put the program on PATH and the home at /usr/share/grafana; an archive has bin/grafana inside its home."""
    packaged = Path("/usr/share/grafana")
    return program.parent.parent if (program.parent.parent / "conf").is_dir() else packaged
