"""Failures of the parts in mid-run: processes that ended, locustfiles that cannot be loaded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from firedrill.errors import BadInput
from firedrill.record.outcome import Reason
from firedrill.stack.interface import PortLost

if TYPE_CHECKING:
    from pathlib import Path

    from firedrill.drill.play.run_state import RunState
    from firedrill.stack.interface import Part

MEASURED_PARTS = {
    "api": "the API's process",
    "prometheus": "Prometheus",
    "locust": "Locust",
}
"""Parts without which nothing is measured."""

ALERTING_PARTS = {
    "alertmanager": "Alertmanager",
    "notifications": "the receiver of notifications",
}
"""Parts that may end without any harm to the measurement."""

MASTER_PORT_TAKEN = "Socket bind failure"
"""How Locust's last line begins to say that its master could not bind the port for its workers."""

LOAD_BEGAN = ("All users spawned", "Ramping to")
"""Lines of Locust's log that show that it could load the locustfile."""


def note_ended_parts(state: RunState) -> None:
    """Note every part that has ended since the last look.

    Raises:
        BadInput: Locust ended because it could not load the user's locustfile.
        PortLost: Locust ended because another process took its port.
    """
    for part, name in MEASURED_PARTS.items():
        child = getattr(state.stack, part)
        code = child.exit_code() if child else None
        if code is None or f"{part}_ended" in state.mishaps or (part == "locust" and code == 0):
            continue
        if part == "locust":
            _raise_if_port_lost(child)
            _reject_broken_locustfile(state, child.log)
        text = f"{name} ended in mid-run ({_exit(code)}): {child.last_log_line()}"
        state.mishaps[f"{part}_ended"] = Reason(f"{part}_ended", text)
    _note_ended_workers(state)
    _note_ended_alerting(state)


def lacks_a_worker(state: RunState) -> bool:
    """Return whether a worker has ended before the load began; its master would wait a minute.

    Raises:
        BadInput: it could not load the user's locustfile.
    """
    ended = [worker for worker in state.stack.workers if worker.exit_code()]
    for worker in ended:
        _reject_broken_locustfile(state, worker.log)
    return bool(ended)


def _note_ended_workers(state: RunState) -> None:
    for number, worker in enumerate(state.stack.workers, start=1):
        code = worker.exit_code()
        if code and not state.stack.load_ended():
            happened = f"worker {number} of Locust ended before its load did ({_exit(code)})"
            reason = Reason("worker_ended", f"{happened}: {worker.last_log_line()}")
            state.mishaps.setdefault(worker.name, reason)


def _note_ended_alerting(state: RunState) -> None:
    for part, name in ALERTING_PARTS.items():
        child = getattr(state.stack, part)
        code = child.exit_code() if child else None
        if code is not None and f"{part}_ended" not in state.remarks:
            happened = f"{name} ended in mid-run ({_exit(code)})"
            text = f"{happened}, so later notifications are not recorded; see {child.log.name}"
            state.remark(f"{part}_ended", text)


def _raise_if_port_lost(locust: Part) -> None:
    line = locust.last_log_line()
    if MASTER_PORT_TAKEN in line:
        raise PortLost(f"Locust's master ended before the load: {line} ({locust.log})")


def _reject_broken_locustfile(state: RunState, log_file: Path) -> None:
    """Raise BadInput with the error and line of a locustfile that raises on import."""
    file, log = state.request.locustfile, log_file.read_text(errors="replace")
    if file is None or any(line in log for line in LOAD_BEGAN):
        return
    lines = re.findall(rf'File "{re.escape(str(file.absolute()))}", line (\d+)', log)
    errors = re.findall(
        r"^(\w[\w.]*(?:Error|Exception|Interrupt|Exit)?: .+|No User class found.+)$",
        log,
        re.MULTILINE,
    )
    if errors:
        place = f"{file}:{lines[-1]}" if lines else str(file)
        raise BadInput(f"--locustfile {place}: {errors[-1]}")


def _exit(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
