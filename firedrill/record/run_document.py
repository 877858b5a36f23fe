"""run.json as a whole: profile, set-up, figures (figures.py) and verdict (outcome.py), typed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from firedrill import units
from firedrill.profile import AlertExpectations, Profile
from firedrill.record.capacity import Capacity
from firedrill.record.diagnosis import Diagnosis
from firedrill.record.document_repair import Repair
from firedrill.record.figures import Figures, Window
from firedrill.record.limits import SCHEMA
from firedrill.record.outcome import EarlyAbort, ExceptionKind, Reason, ScorecardRow, Verdict


@dataclass(frozen=True, slots=True)
class PlayedProfile(Profile):
    """A load profile, with the place that it was read from."""

    source: str = ""
    """Name of a bundled profile, or path of a file."""

    @classmethod
    def of(cls, profile: Profile, source: str) -> Self:
        """Add the source to a profile."""
        return cls(
            **{field.name: getattr(profile, field.name) for field in fields(Profile)},
            source=source,
        )


UNKNOWN_PROFILE = PlayedProfile(
    name="an unknown profile",
    title="",
    users=(),
    think_time_seconds=(0.0, 0.0),
    steps=(),
    ramp=None,
    duration_seconds=None,
    warmup_seconds=0.0,
    slo=None,
    alerts=AlertExpectations(),
)
"""The profile of a document whose own cannot be read."""


DEFAULT_SETTINGS: Mapping[str, Mapping[str, int]] = {
    "waitress": {"threads": 4, "connection_limit": 100},
    "gunicorn": {"processes": 1, "threads": 4},
    "uvicorn": {"processes": 1},
}
"""Settings of the bundled API's servers where none are given."""


@dataclass(frozen=True, slots=True)
class ServerSetup:
    """How the bundled API was served."""

    kind: str
    threads: int | None = None
    connection_limit: int | None = None
    processes: int | None = None
    shed_after_seconds: float | None = None
    """Queue wait of a request after which it is refused; null: none is."""

    @property
    def settings(self) -> dict[str, int]:
        """The settings that were in effect; none of Flask's development server."""
        given = {
            "processes": self.processes,
            "threads": self.threads,
            "connection_limit": self.connection_limit,
        }
        known = {name: value for name, value in given.items() if value is not None}
        return {**DEFAULT_SETTINGS.get(self.kind, {}), **known}

    def __str__(self) -> str:
        name = "Flask's development server" if self.kind == "dev" else self.kind
        limits = {
            "processes": self.processes,
            "threads": self.threads,
            "connections": self.connection_limit,
        }
        words = [f"{value} {word}" for word, value in limits.items() if value is not None]
        if self.shed_after_seconds is not None:
            words.append(f"shedding after {units.seconds(self.shed_after_seconds)}")
        return ", ".join([name, *words])


@dataclass(frozen=True, slots=True)
class LocustfileUsed:
    """The user's own locustfile."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Generator:
    """The setup of the load generator."""

    locustfile: LocustfileUsed | None = None
    """None: the bundled users."""
    workers: int | None = None
    docker: bool | None = None
    paths: tuple[str, ...] = ()
    """Requests of the bundled users, as method, path and body; empty: those of the bundled API."""

    def __str__(self) -> str:
        file = self.locustfile
        users = f"{file.name} ({file.sha256[:12]})" if file else "the bundled users"
        users += f", which ask for {', '.join(self.paths)}," if self.paths else ""
        return f"{users} on {self.workers} worker{'' if self.workers == 1 else 's'}"

    def makes_the_load_of(self, other: Generator) -> bool:
        """Return whether two generators make the same load: equal users and workers."""
        return self._identity() == other._identity()

    def _identity(self) -> tuple[str | None, int | None, tuple[str, ...]]:
        return self.locustfile.sha256 if self.locustfile else None, self.workers, self.paths


@dataclass(frozen=True, slots=True)
class BaselineUsed:
    """The earlier run that a run was compared with."""

    id: str
    tolerance: float


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """A fault that was set, with the time that it really had."""

    fault: str
    size: float
    """In base units: seconds, a ratio, cores, workers, bytes a second; 1 for stop."""
    start: float
    """Unix time."""
    end: float
    alerts: tuple[str, ...] = ()
    """Alerts that the profile expects after it; of faults set together, the first has them."""


@dataclass(frozen=True, slots=True)
class RecordedNotification:
    """A notification that Alertmanager sent during the run."""

    after_seconds: float
    """Since the load began."""
    receiver: str = ""
    status: str = ""
    alertname: str = ""
    severity: str = ""
    labels: Mapping[str, str] | None = None
    summary: str = ""


class RunDocument(BaseModel):
    """The content of a run.json. Fields that it lacks, or that are damaged, have their default."""

    model_config = ConfigDict(
        title="Firedrill run.json",
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )

    version: int | None = Field(
        default=None, validation_alias="schema", serialization_alias="schema"
    )
    """Version of this format."""
    id: str = ""
    """Name of the run's folder."""
    kind: str = "run"
    """run, or capacity for a search for the capacity."""
    started: str = ""
    """Time at which the run was started, in ISO 8601."""
    commit: str | None = None
    """The commit under test: named by the CI service, else checked out where the run started."""
    profile: PlayedProfile = UNKNOWN_PROFILE
    """The load profile, as it was played."""
    target: str | None = None
    """URL of the user's own API, or `bundled API`."""
    server: ServerSetup | None = None
    """The bundled API's server; null where the target is the user's own."""
    serve: str | None = None
    """The user's own command that served the API (--serve)."""
    generator: Generator | None = None
    """The setup of the load generator."""
    time_scale: float | None = None
    """Production seconds that a second of the run stands for, in the bundled alert rules."""
    versions: Mapping[str, str] = Field(default_factory=dict)
    """Versions of the programs that took part."""
    baseline: BaselineUsed | None = None
    """The earlier run that this one was compared with."""
    faults: tuple[InjectedFault, ...] = ()
    """Every fault that was injected, in order."""
    window: Window | None = None
    """Begin and end of the load; null where nothing was recorded."""
    verdict: Verdict | None = None
    """The status with its reasons."""
    aborted: EarlyAbort | None = None
    """The place at which the SLO broke, where --abort-on-slo ended the load."""
    remarks: tuple[Reason, ...] = ()
    """Notes that are no reason for the verdict."""
    exceptions: tuple[ExceptionKind, ...] = ()
    """Exceptions of the locustfile's tasks and listeners by kind, the commonest first."""
    notifications: tuple[RecordedNotification, ...] | None = None
    """The notifications of the run's alerts; null where none could be sent."""
    unevaluated: Mapping[str, str] = Field(default_factory=dict)
    """Rules that could not be evaluated, with Prometheus's error."""
    figures: Figures | None = None
    """Everything that was measured; null where nothing was."""
    diagnosis: Diagnosis | None = None
    """The stage that limited the run, and the settings that would help; null in older runs."""
    capacity: Capacity | None = None
    """The result of a search for the capacity; null in other runs."""
    scorecard: tuple[ScorecardRow, ...] = ()
    """Every alert that fired or was expected, with its cause and delay."""

    _left_out: tuple[str, ...] = PrivateAttr(default=())
    _damaged: tuple[str, ...] = PrivateAttr(default=())

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Self:
        """Read the content of a run.json, of this version or another, damaged or not.

        A value that does not fit becomes "no figure". A record that cannot do without it is left
        out, and its list named in `left_out`.
        """
        repair = Repair(copy.deepcopy(dict(content)), {"profile": asdict(UNKNOWN_PROFILE)})
        while True:
            try:
                document = cls.model_validate(repair.content)
            except ValidationError as invalid:
                repair.apply(invalid.errors(include_url=False, include_input=False))
            else:
                document._left_out = tuple(sorted(repair.left_out))  # noqa: SLF001 -- its own class
                document._damaged = tuple(sorted(repair.damaged))  # noqa: SLF001
                return document

    def content(self) -> dict[str, Any]:
        """Return the document as it stands in run.json."""
        return self.model_dump(mode="json", exclude_unset=True)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Names of the lists, such as `figures.steps`, of which damaged records are left out."""
        return self._left_out

    @property
    def damaged(self) -> tuple[str, ...]:
        """Paths, such as `figures.client.rate`, of the values that could not be read."""
        return self._damaged

    @property
    def status(self) -> str:
        """PASSED, FAILED, INVALID, INTERRUPTED; UNKNOWN where there is no verdict."""
        return self.verdict.status.value if self.verdict else "UNKNOWN"

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The verdict's reasons."""
        return self.verdict.reasons if self.verdict else ()

    @property
    def served_by(self) -> str:
        """The server or target in words: `waitress, 64 threads, 1000 connections`."""
        return str(self.server or self.serve or self.target or "an unknown server")

    @property
    def title(self) -> str:
        """The profile and the server."""
        kind = "capacity with " if self.kind == "capacity" else ""
        return f"{kind}{self.profile.name} against {self.served_by}"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of run.json."""
    schema = RunDocument.model_json_schema(mode="serialization")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["properties"]["schema"] = {
        "const": SCHEMA,
        "description": "Version of this format; it grows when a field changes its meaning.",
    }
    return schema
