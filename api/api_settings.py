"""Settings of the example API: frozen, read once from the environment, overridden by the options of `python -m api`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, get_args

from firedrill.contract import LOOPBACK
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

WorkKind = Literal["waiting", "computing"]
WORK_KINDS: tuple[WorkKind, ...] = get_args(WorkKind)
_WORK = re.compile(r"(\d+)(?:-(\d+))?ms")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the example works, and where it publishes its metrics."""

    work_seconds: tuple[float, float] = (0.010, 0.100)
    """Every `GET /` works for a random time in this range. Its mean bounds a pool: threads / mean requests a second."""
    work_kind: WorkKind = "waiting"
    """waiting sleeps, as on a database: workers run out first. computing burns CPU time: the interpreter's lock runs out first."""
    host: str = LOOPBACK
    """Address of the API; 0.0.0.0 belongs inside a container only."""
    metrics_host: str | None = None
    """Address of the metrics page; None: the API's. A network of its own keeps the page from what loads the API."""
    metrics_port: int | None = None
    """Port of the metrics page, 0 for a free one. None: 9464, and `python -m api` moves to a free one if that is taken."""
    access_log: bool = False
    """A line on stderr for each request of the development server, which costs as much as a small handler."""
    faults: bool = False
    """Takes faults on its metrics page: whoever reaches that page may then break this API for an hour."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Settings from API_WORK, API_WORK_KIND, API_HOST, API_METRICS_HOST, API_METRICS_PORT; API_ACCESS_LOG and API_FAULTS are on if 1.

        Raises BadInput.
        """
        return cls(
            work_seconds=work_range(environ.get("API_WORK", "10-100ms")),
            work_kind=work_kind(environ.get("API_WORK_KIND", "waiting")),
            host=environ.get("API_HOST", LOOPBACK),
            metrics_host=environ.get("API_METRICS_HOST"),
            metrics_port=port_number(environ["API_METRICS_PORT"])
            if "API_METRICS_PORT" in environ
            else None,
            access_log=environ.get("API_ACCESS_LOG") == "1",
            faults=environ.get("API_FAULTS") == "1",
        )


def work_range(text: str) -> tuple[float, float]:
    """Seconds of `10-100ms` or `55ms`."""
    match = _WORK.fullmatch(text)
    if match:
        shortest, longest = int(match[1]) / 1000, int(match[2] or match[1]) / 1000
        if shortest <= longest:
            return shortest, longest
    raise BadInput(f"work is {text!r}; expected a range such as 10-100ms, or one time such as 55ms")


def work_kind(text: str) -> WorkKind:
    """One of WORK_KINDS."""
    for kind in WORK_KINDS:
        if text == kind:
            return kind
    raise BadInput(f"work kind is {text!r}; expected {' or '.join(WORK_KINDS)}")


def port_number(text: str) -> int:
    """A TCP port; 0 means a free one."""
    if text.isdigit() and int(text) < 1 << 16:
        return int(text)
    raise BadInput(f"port is {text!r}; expected 0 to 65535")
