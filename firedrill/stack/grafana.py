"""An installed Grafana beside a stack: the bundle's dashboards on loopback, read-only."""

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
    """An installed Grafana beside a stack: the bundle's dashboards on loopback, read-only."""

    home: Path
    program: Path

    def start(
        self, children: Children, data: Path, port: int, prometheus_url: str
    ) -> tuple[Child, str]:
        """Start it on a Prometheus; return the process and the generated password of `admin`."""
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
    """Return the Grafana in GRAFANA_HOME, else the one on PATH; None where there is none."""
    home = os.environ.get("GRAFANA_HOME")
    program = (
        shutil.which("grafana", path=str(Path(home) / "bin")) if home else shutil.which("grafana")
    )
    if program is None:
        return None
    return Grafana(Path(home) if home else _home_of(Path(program).resolve()), Path(program))


def _home_of(program: Path) -> Path:
    """Return the home of a Grafana program.

    Packages put the program on PATH and the home at /usr/share/grafana; an archive has bin/grafana
    in its home.
    """
    packaged = Path("/usr/share/grafana")
    return program.parent.parent if (program.parent.parent / "conf").is_dir() else packaged
