"""Settings of the exporter, read once from the environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from firedrill.contract import EXPORTER_PORT, LOOPBACK
from firedrill.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class Settings:
    """The exporter's settings; each is read from the variable named beside it."""

    host: str = LOOPBACK
    """FIREDRILL_EXPORTER_HOST: address that the metrics endpoint binds."""
    port: int = EXPORTER_PORT
    """FIREDRILL_EXPORTER_PORT: port of the metrics endpoint; 0 takes a free one."""
    port_was_asked_for: bool = False
    """A taken port that was asked for is an error; a taken default moves to the next free one."""
    exact_buckets: bool = True
    """FIREDRILL_EXACT_BUCKETS: 0 keeps Locust's own rounding.

    Latency is then kept with two digits, up to 5 % off.
    """
    starvation_seconds: float = 1.0
    """FIREDRILL_STARVATION_SECONDS: a user whose request is older is starved."""
    linger_seconds: float = 3.0
    """FIREDRILL_LINGER_SECONDS: longest wait, at the end, for the scrape of the final counts."""
    max_names: int = 200
    """FIREDRILL_MAX_NAMES: distinct request names; later ones become `other`."""
    run_id: str = ""
    """FIREDRILL_RUN_ID: label of locust_test_info."""
    profile: str = ""
    """LOAD_PROFILE: label of locust_test_info if no load profile announces its name."""
    outcome_file: str = ""
    """FIREDRILL_OUTCOME_FILE: file for the JSON of `/outcome`, which outlives the process."""
    time_scale: float = 1.0
    """FIREDRILL_TIME_SCALE: production seconds that one second of the drill stands for."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings in `environ`. Raises BadInput for a value that is not in its range."""
    port = environ.get("FIREDRILL_EXPORTER_PORT")
    defaults = Settings()
    return Settings(
        host=environ.get("FIREDRILL_EXPORTER_HOST", LOOPBACK),
        port=_number(environ, "FIREDRILL_EXPORTER_PORT", EXPORTER_PORT, largest=65535),
        port_was_asked_for=port is not None and port != "0",
        exact_buckets=environ.get("FIREDRILL_EXACT_BUCKETS", "1") != "0",
        starvation_seconds=_number(
            environ, "FIREDRILL_STARVATION_SECONDS", defaults.starvation_seconds
        ),
        linger_seconds=_number(environ, "FIREDRILL_LINGER_SECONDS", defaults.linger_seconds),
        max_names=_number(environ, "FIREDRILL_MAX_NAMES", defaults.max_names, smallest=1),
        run_id=environ.get("FIREDRILL_RUN_ID", ""),
        profile=environ.get("LOAD_PROFILE", ""),
        outcome_file=environ.get("FIREDRILL_OUTCOME_FILE", ""),
        time_scale=_number(environ, "FIREDRILL_TIME_SCALE", defaults.time_scale, smallest=1),
    )


def _number(
    environ: Mapping[str, str],
    name: str,
    default: _Number,
    smallest: float = 0,
    largest: float = 1e6,
) -> _Number:
    kind = "a whole number" if isinstance(default, int) else "a number"
    try:
        value = type(default)(environ.get(name, default))
    except ValueError:
        raise BadInput(f"{name} is {environ[name]!r}; expected {kind}") from None
    if not smallest <= value <= largest:
        raise BadInput(
            f"{name} is {environ[name]!r}; expected {kind} from {smallest:g} to {largest:.0f}"
        )
    return value
