"""The state file of `firedrill up`: what a command in another terminal needs to know."""

from __future__ import annotations

import fcntl
import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "up"
"""Its folder, in the folder of the runs."""


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A stack that is up."""

    prometheus: str
    """Base URL of its Prometheus."""
    time_scale: float

    def announce(self, folder: Path) -> None:
        """Write the state file."""
        (folder / "stack.json").write_text(json.dumps(asdict(self)))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder, so that no second stack uses it; a context manager.

    Raises:
        BadInput: another stack uses it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stack.json").unlink(missing_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadInput(
                f"{folder} is in use by another `firedrill up`; "
                "stop it, or give --out another folder"
            ) from error
        yield


def find(out: Path) -> RunningStack:
    """Return the stack that is up in a folder of runs.

    Raises:
        BadInput: no stack is up there.
    """
    folder = out / NAME
    if not _is_held(folder) or not (folder / "stack.json").is_file():
        raise BadInput(
            f"{folder}: no `firedrill up` runs here; start one, "
            "or give --into and --reload (Compose watches by itself)"
        )
    return RunningStack(**json.loads((folder / "stack.json").read_text()))


def _is_held(folder: Path) -> bool:
    try:
        with (folder / ".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
