"""The composed stack in the foreground, for `firedrill up --docker`; Ctrl-C stops it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from firedrill import http_client
from firedrill.contract import LOOPBACK
from firedrill.errors import BadInput, Missing
from firedrill.interrupt import Interrupted
from firedrill.notifications.notification import Notification
from firedrill.objectives import bounds_text
from firedrill.profile import load_profile
from firedrill.prometheus.client import Prometheus
from firedrill.stack.containers import container_stack, engine
from firedrill.stack.foreground import describe_grafana, golden_signals, print_addresses
from firedrill.stack.plan import PORT_OPTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from firedrill.interrupt import Interrupt
    from firedrill.stack.plan import Ports, Server
    from firedrill.terminal import Terminal

SIGNALS_SECONDS = 300.0
"""How long the first golden signals may take; an idle machine needs half a minute."""
PROJECT = "firedrill"
"""The project's name in `.env`: the same containers and volumes as a bare `docker compose up`."""


def run(
    server: Server,
    profile: Path,
    chosen: Ports,
    interrupt: Interrupt,
    console: Terminal,
    *,
    with_grafana: bool,
    takes_faults: bool = False,
) -> None:
    """Start docker-compose.yml's project and keep it until the user asks to stop; volumes stay.

    Raises:
        BadInput: the project runs already.
        Missing: there is no engine, or a service did not start.
    """
    chosen_faults = {"API_FAULTS": "1"} if takes_faults else {}
    project = engine.Project(
        os.environ.get("COMPOSE_PROJECT_NAME", PROJECT),
        {
            **container_stack.port_variables(chosen),
            **container_stack.server_variables(server),
            **container_stack.profile_variables(profile),
            "OBJECTIVE_SECONDS": bounds_text(load_profile(str(profile)).objective_seconds()),
            **chosen_faults,
        },
        interrupt,
    )
    if None in project.states().values():
        raise BadInput(
            f"the project {project.name} runs already; "
            "stop it with `docker compose down`, or set COMPOSE_PROJECT_NAME"
        )
    console.say("building the images, starting the containers", "dim")
    project.build()
    began = time.time()
    watcher = _Watcher(project, f"http://{LOOPBACK}:{chosen.notifications}", console)
    chosen.hand_over(*PORT_OPTIONS)
    try:
        project.up(*container_stack.SERVICES, *(["grafana"] if with_grafana else []))
        print_addresses(console, _composed_addresses(project, chosen, with_grafana=with_grafana))
        prom = Prometheus(f"http://{LOOPBACK}:{chosen.prometheus}")
        interrupt.wait_until(
            lambda: watcher.look() or _has_golden_signals(prom, began),
            "the first golden signals in Prometheus",
            SIGNALS_SECONDS,
        )
        console.say(
            f"golden signals after {time.time() - began:.1f} s; Ctrl-C stops everything", "dim"
        )
        while not interrupt.pause(2.0):
            watcher.look()
    except Interrupted:
        pass
    finally:
        console.say("stopping the containers; what they recorded stays in their volumes", "dim")
        project.down(volumes=False)


def _has_golden_signals(prom: Prometheus, since: float) -> bool:
    with suppress(Missing):
        return bool(prom.instant(golden_signals(since)))
    return False


class _Watcher:
    """Prints services that ended and notifications that arrived, each once."""

    def __init__(self, project: engine.Project, notifications_url: str, console: Terminal) -> None:
        self._project, self._url, self._console = project, notifications_url, console
        self._ended: set[str] = set()
        self._printed = 0

    def look(self) -> bool:
        """Print what is new; always False."""
        for service, code in self._project.states().items():
            if code is not None and service not in self._ended:
                self._ended.add(service)
                lines = self._project.log(service).splitlines() or ["(it printed nothing)"]
                self._console.say(f"{service} ended with exit code {code}: {lines[-1]}", "red")
        with suppress(http_client.NoAnswer, ValueError):
            notifications = http_client.request(
                "GET", f"{self._url}/notifications", timeout_seconds=2
            ).json()
            for notification in map(Notification.from_json, notifications[self._printed :]):
                self._console.say(notification.line())
            self._printed = len(notifications)
        return False


def _composed_addresses(
    project: engine.Project, chosen: Ports, *, with_grafana: bool
) -> dict[str, str]:
    published = {
        "API": chosen.api,
        "API metrics": chosen.metrics,
        "Locust": chosen.web,
        "Prometheus": chosen.prometheus,
        "Alertmanager": chosen.alertmanager,
        "Notifications": chosen.notifications,
    }
    addresses = {
        name: f"http://{LOOPBACK}:{port}{'/metrics' if 'metrics' in name else ''}"
        for name, port in published.items()
    }
    if with_grafana:
        password = project.read("grafana", "/var/lib/grafana/admin-password")
        addresses["Grafana"] = describe_grafana(chosen.grafana, password or "the password you gave")
    return addresses
