"""Failures of the parts in mid-run: processes that ended, locustfiles that cannot be loaded."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from firedrill.errors import BadInput
from firedrill.record.outcome import TASK, Reason
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

OWN_CHECK = "own_check_failed"

LISTENER_RAISED = 2
"""Locust's exit code after an exception in a listener or in a greenlet."""

LOAD_BEGAN = ("All users spawned", "Ramping to")
"""Lines of Locust's log that show that it could load the locustfile."""


def note_ended_parts(state: RunState) -> None:
    """Note every part that has ended since the last look.

    Raises:
        BadInput: Locust ended because it could not load the user's locustfile.
        PortLost: Locust ended because another process took its port.
    """
    state.outcome = state.stack.generator_outcome()
    for part, name in MEASURED_PARTS.items():
        child = getattr(state.stack, part)
        code = child.exit_code() if child else None
        if code is None or f"{part}_ended" in state.mishaps:
            continue
        if part == "locust":
            _note_ended_locust(state, child, code)
            continue
        text = f"{name} ended {_when(state)} ({_exit(state, code)}): {child.last_log_line()}"
        state.mishaps[f"{part}_ended"] = Reason(f"{part}_ended", text)
    _note_ended_workers(state)
    _note_ended_alerting(state)


def _note_ended_locust(state: RunState, child: Part, code: int) -> None:
    """Note an end of Locust that is neither in order nor explained by a listener that raised."""
    # Once more, because it may have ended since the last look.
    outcome = state.outcome = state.stack.generator_outcome()
    if outcome.setup_began is None and code:
        _raise_if_port_lost(child)
        _reject_broken_locustfile(state, child.log)
    if code > 0 and code == outcome.exit_code:
        # Workers, which run the same check, may have ended before.
        state.mishaps.pop(OWN_CHECK, None)
        _note_own_check(state, f"it set exit code {code}")
    elif code and not (outcome.stopped and _is_explained(state, code)):
        why = f"; {state.stack.unfinished}" if state.stack.unfinished else ""
        text = f"Locust ended {_when(state)} ({_exit(state, code)}{why})"
        state.mishaps["locust_ended"] = Reason("locust_ended", f"{text}: {child.last_log_line()}")


def _note_own_check(state: RunState, evidence: str) -> None:
    reason = Reason(OWN_CHECK, f"the locustfile's own check failed: {evidence}")
    state.mishaps.setdefault(reason.code, reason)


def _is_explained(state: RunState, code: int) -> bool:
    """Return whether Locust ended with this code because a listener raised."""
    return code == LISTENER_RAISED and any(kind.source != TASK for kind in state.outcome.exceptions)


def _when(state: RunState) -> str:
    if state.load_is_over or state.outcome.stopped:
        return "after the load"
    has_begun = state.load_has_begun or state.outcome.began
    return "in mid-run" if has_begun else "before the load began"


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
        if not code or (state.outcome.stopped and _is_explained(state, code)):
            continue
        if state.outcome.stopped and code > 0 and code != LISTENER_RAISED:
            _note_own_check(state, f"worker {number} ended with exit code {code}")
        elif state.outcome.stopped or not state.stack.load_ended():
            happened = f"worker {number} of Locust ended {_when(state)} ({_exit(state, code)})"
            reason = Reason("worker_ended", f"{happened}: {worker.last_log_line()}")
            state.mishaps.setdefault(worker.name, reason)


def _note_ended_alerting(state: RunState) -> None:
    for part, name in ALERTING_PARTS.items():
        child = getattr(state.stack, part)
        code = child.exit_code() if child else None
        if code is not None and f"{part}_ended" not in state.remarks:
            happened = f"{name} ended {_when(state)} ({_exit(state, code)})"
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


def _exit(state: RunState, code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    killed = state.oom_kills() if -code == signal.SIGKILL else 0
    why = f", perhaps by the out-of-memory killer: oom_kill rose by {killed}" if killed else ""
    return f"killed by {name}{why}"
