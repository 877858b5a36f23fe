"""Settings of the instrumentation, from the call and from the environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Settings:
    """Where an application publishes its metrics. The environment goes before the call."""

    host: str
    """Address of the metrics endpoint (FIREDRILL_METRICS_HOST)."""
    port: int
    """Its port; 0 takes a free one (FIREDRILL_METRICS_PORT)."""
    directory: str = ""
    """Processes that are given the same directory are one application (FIREDRILL_METRICS_DIR).

    Empty, the workers of one server process are. The directory is a name: nothing is written there.
    """

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], host: str, port: int) -> Settings:
        """Return the settings. Raises BadInput for a port that is none."""
        given = environ.get("FIREDRILL_METRICS_PORT") or str(port)
        is_number = given.isascii() and given.isdigit() and len(given) <= len(str(HIGHEST_PORT))
        if not is_number or int(given) > HIGHEST_PORT:
            raise BadInput(
                f"the metrics port is {given[:20]!r}; expected a port from 0 to {HIGHEST_PORT}"
            )
        return cls(
            environ.get("FIREDRILL_METRICS_HOST") or host,
            int(given),
            environ.get("FIREDRILL_METRICS_DIR", ""),
        )
