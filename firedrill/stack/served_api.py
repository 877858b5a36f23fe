"""The user's own API, started by `--serve`: wait until it answers, and find out where."""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from firedrill import contract, http_client
from firedrill.errors import BadInput, Missing
from firedrill.interrupt import Interrupted
from firedrill.objectives import BOUNDS_VARIABLE, bounds_text
from firedrill.serve import instrumented_environment, process_tree, supervisor
from firedrill.stack.interface import PortLost

if TYPE_CHECKING:
    from firedrill.interrupt import Interrupt
    from firedrill.processes.children import Child, Children
    from firedrill.serve.command import ServedCommand
    from firedrill.stack.plan import Plan

LOOK_SECONDS = 0.2
METRICS_SECONDS = 60.0
"""How long a metrics process may take until it answers; it needs a second."""
GRACE_SECONDS = 20.0
"""How long the supervisor may take to end all processes; it needs less."""
_ERROR_LINE = re.compile(r"^\s*(?:[\w.]*(?:Error|Exception|Exit)\b|[Ee]rror: ).*")


class ServedApi:
    """The processes of a served command."""

    def __init__(self, command: ServedCommand, plan: Plan, interrupt: Interrupt) -> None:
        self._command, self._plan, self._interrupt = command, plan, interrupt
        self._child: Child | None = None
        self.url = f"http://{contract.LOOPBACK}:{plan.ports.api}"
        """Its base URL; known for certain once it answers."""

    def start(self, children: Children) -> Child:
        """Start the command under its supervisor; return that."""
        plan, command = self._plan, self._command
        for name in ("api", "metrics"):
            plan.ports.hand_over(name)  # Not every server binds as `share` needs it.
        port = plan.ports.api
        self._child = children.start(
            "api",
            [sys.executable, "-P", "-m", "firedrill.serve.supervisor", *command.words(port)],
            {supervisor.VARIABLE: json.dumps(self._variables())},
            folder=command.folder,
            grace_seconds=GRACE_SECONDS,
        )
        return self._child

    def _variables(self) -> dict[str, str]:
        plan, command = self._plan, self._command
        return {
            BOUNDS_VARIABLE: bounds_text(plan.objectives_seconds),
            "FIREDRILL_METRICS_HOST": contract.LOOPBACK,
            "FIREDRILL_METRICS_PORT": str(plan.ports.metrics),
            "FIREDRILL_METRICS_DIR": str(plan.folder.absolute()),
            contract.RUN_ID_VARIABLE: plan.run_id,
            **command.variables(plan.ports.api),
            **instrumented_environment.variables(command.environment),
        }

    def wait(self) -> None:
        """Wait until the API answers HTTP, and note its URL.

        Raises:
            BadInput: the command ended, or nothing answered where it should in time.
            PortLost: another process took the port.
            Interrupted: the user asked to stop.
        """
        until = time.monotonic() + self._command.wait_seconds
        while not self._answers():
            self._raise_if_ended()
            if time.monotonic() > until:
                raise BadInput(f"--serve {self._command.text!r}: {self._why_silent()}")
            if self._interrupt.pause(LOOK_SECONDS):
                raise Interrupted("interrupted while waiting for the served API")

    def _answers(self) -> bool:
        """Return whether it answers; note where."""
        answering = [url for url in self._candidates() if _answers(url)]
        if self._command.takes_port or len(answering) < 2:
            self.url = next(iter(answering), self.url)
            return bool(answering)
        shown = ", ".join(answering)
        raise BadInput(
            f"--serve {self._command.text!r}: it answers on {shown}; "
            "expected --serve-port with the one to load"
        )

    def _candidates(self) -> list[str]:
        ours = f"http://{contract.LOOPBACK}:{self._plan.ports.api}"
        return [ours] if self._command.takes_port else [*dict.fromkeys(self._listening())]

    def _listening(self) -> list[str]:
        """Return the base URLs on which the command's processes listen, the metrics port aside."""
        pids = process_tree.applications(self._child.pid) if self._child else []
        return [
            f"http://{_reachable(found.address)}:{found.port}"
            for found in process_tree.listeners(pids)
            if found.port != self._plan.ports.metrics
        ]

    def _raise_if_ended(self) -> None:
        child, command = self._child, self._command
        code = child.exit_code() if child else None
        if child is None or code is None:
            return
        words = last_words(child.log.read_text(errors="replace"))
        if command.takes_port and command.port is None and "address already in use" in words:
            raise PortLost(f"api ended with exit code {code}: {words}")
        raise BadInput(
            f"--serve {command.text!r}: it ended with exit code {code} before it answered: {words}"
        )

    def _why_silent(self) -> str:
        listening = ", ".join(url.removeprefix("http://") for url in self._listening())
        seconds = f"{self._command.wait_seconds:g} s"
        if not listening:
            return f"it listens on no TCP port after {seconds}; expected {self.url}"
        where = self.url.removeprefix("http://")
        if self._command.takes_port and where not in listening:
            return (
                f"it listens on {listening}, and not on {where}; "
                "expected {port} in the command, or --serve-port"
            )
        return f"it listens on {listening}, but does not answer HTTP within {seconds}"

    def publishes_metrics(self) -> bool:
        """Return whether it publishes metrics of its requests on the port that it was told.

        An instrumented application has started its metrics process when it has answered once. Where
        there is one, this waits for its endpoint.
        """
        path = contract.metrics_path(self._plan.run_id)
        url = f"http://{contract.LOOPBACK}:{self._plan.ports.metrics}{path}"
        below = process_tree.descendants(self._child.pid) if self._child else []
        if not any(process_tree.is_metrics_process(pid) for pid in below):
            return False
        with suppress(Missing):
            self._interrupt.wait_until(lambda: _has_metrics(url), url, METRICS_SECONDS)
            return True
        return False


def last_words(log: str) -> str:
    """Return the last error that a log names, else its last line; it may have printed nothing."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR_LINE.match(line)]
    if lines and lines[-1].startswith("firedrill: "):
        return lines[-1].removeprefix("firedrill: ")
    return ([*lines[-1:], *errors[-1:]] or ["it printed nothing"])[-1]


def _has_metrics(url: str) -> bool:
    try:
        answer = http_client.request("GET", url, timeout_seconds=5, follow_redirects=False)
    except http_client.NoAnswer:
        return False
    return answer.status == 200


def _answers(url: str) -> bool:
    try:
        http_client.request("GET", url, timeout_seconds=5, follow_redirects=False)
    except http_client.NoAnswer:
        return False
    return True


def _reachable(address: str) -> str:
    """Return the address of this machine on which a listener of another address is reached."""
    if address in {"0.0.0.0", "::"}:  # noqa: S104 -- compared, not bound
        return contract.LOOPBACK
    mapped = address.removeprefix("::ffff:")
    return f"[{mapped}]" if ":" in mapped else mapped
