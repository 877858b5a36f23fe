"""Settings of the example API, from the environment and the options of `python -m api`."""

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
    """The example's work, its addresses and its switches."""

    work_seconds: tuple[float, float] = (0.010, 0.100)
    """Range of the random time that each `GET /` takes.

    Its mean limits a pool of workers: threads / mean requests a second.
    """
    work_kind: WorkKind = "waiting"
    """The kind of work.

    waiting sleeps, as on a database: workers saturate first. computing uses CPU time: the
    interpreter's lock saturates first.
    """
    host: str = LOOPBACK
    """Address of the API; 0.0.0.0 belongs inside a container only."""
    metrics_host: str | None = None
    """Address of the metrics endpoint; None is the API's.

    On a network of its own, the load generator cannot reach it.
    """
    metrics_port: int | None = None
    """Port of the metrics endpoint; 0 takes a free one.

    None is 9464, and `python -m api` takes a free one if that is taken.
    """
    access_log: bool = False
    """Print each request of the development server, which costs as much as a small handler."""
    shed_after_seconds: float | None = None
    """Queue wait of a request after which it is refused with 503; None refuses none."""
    faults: bool = False
    """Take faults on the metrics port: whoever reaches it can break this API for an hour."""

    def environment(self) -> dict[str, str]:
        """Return the variables that `from_environment` reads, for a server that starts anew."""
        shortest, longest = (round(seconds * 1000) for seconds in self.work_seconds)
        variables = {
            "API_WORK": f"{shortest}-{longest}ms",
            "API_WORK_KIND": self.work_kind,
            "API_HOST": self.host,
            "API_ACCESS_LOG": "1" if self.access_log else "0",
            "API_FAULTS": "1" if self.faults else "0",
        }
        if self.metrics_host is not None:
            variables["API_METRICS_HOST"] = self.metrics_host
        if self.metrics_port is not None:
            variables["API_METRICS_PORT"] = str(self.metrics_port)
        return variables

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings in the environment. Raises BadInput.

        They are API_WORK, API_WORK_KIND, API_HOST, API_METRICS_HOST, API_METRICS_PORT, and
        API_ACCESS_LOG and API_FAULTS, which are on if 1.
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
    """Return the shortest and the longest time of `10-100ms` or `55ms`, in seconds."""
    match = _WORK.fullmatch(text)
    if match:
        shortest, longest = int(match[1]) / 1000, int(match[2] or match[1]) / 1000
        if shortest <= longest:
            return shortest, longest
    raise BadInput(f"work is {text!r}; expected a range such as 10-100ms, or one time such as 55ms")


def work_kind(text: str) -> WorkKind:
    """Return the kind of work that `text` names."""
    for kind in WORK_KINDS:
        if text == kind:
            return kind
    raise BadInput(f"work kind is {text!r}; expected {' or '.join(WORK_KINDS)}")


def port_number(text: str) -> int:
    """Return the TCP port in `text`; 0 means a free one."""
    if text.isdigit() and int(text) < 1 << 16:
        return int(text)
    raise BadInput(f"port is {text!r}; expected 0 to 65535")
