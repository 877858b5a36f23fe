"""A run held against an earlier one: which signals became worse by more than is tolerated."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from firedrill import units
from firedrill.drill.judge.verdict import Reason, Status
from firedrill.errors import BadInput
from firedrill.record.limits import ERROR_FLOOR_RATIO, LATENCY_FLOOR_SECONDS
from firedrill.record.run_description import played_load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firedrill.profile import Profile
    from firedrill.record.figures import ClientSide, Figures
    from firedrill.record.run_folder import Run

LENGTH_RATIO = 0.1
"""Share of a run's length that another of the same load may lack or have more: one that was cut short saw another load."""

HUNG_FAIL_SCHEMA = 2
"""Since this version of run.json a hung request has failed."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """An earlier run's client side, and what may be worse than there."""

    id: str
    latency_seconds: Mapping[str, float]
    """p50, p95 and p99 with the waiting included."""
    error_ratio: float | None
    rate: float | None
    tolerance: float
    """Share, 0..1, by which each of them may be worse."""
    counts_errors_otherwise: bool = False
    """Whether its share of errors means something else, and is left out."""

    @classmethod
    def of(
        cls,
        run: Run,
        profile: Profile,
        tolerance: float,
        seconds: float | None = None,
        generator: Mapping[str, Any] | None = None,
    ) -> Self:
        """The figures of a run, for one of a profile that will last so many seconds (None: until it is stopped), made by this generator.

        Raises:
            BadInput: it has none, they cannot be trusted, or another load was played.
        """
        document = run.read()
        if damaged := _damaged(document):
            raise BadInput(f"--baseline {run.id}: its run.json is damaged ({damaged})")
        client, status = _client(document), (document.get("verdict") or {}).get("status")
        if not client:
            raise BadInput(f"--baseline {run.id}: nothing was measured in this run")
        if status in (Status.INVALID, Status.INTERRUPTED):
            raise BadInput(
                f"--baseline {run.id}: the run is {status}; expected one that can be trusted and was played to its end"
            )
        if played_load(document.get("profile") or {}) != played_load(asdict(profile)):
            name = (document.get("profile") or {}).get("name")
            raise BadInput(
                f"--baseline {run.id}: played another load ({name}); expected the load of {profile.name}"
            )
        before = document.get("generator") or {}  # Older runs do not tell.
        if before and generator and _made_by(before) != _made_by(generator):
            raise BadInput(
                f"--baseline {run.id}: its load was made by {users_of(before)}; expected {users_of(generator)}"
            )
        lasted = _seconds(document)
        if (
            seconds is not None
            and lasted is not None
            and abs(lasted - seconds) > seconds * LENGTH_RATIO + 1
        ):
            raise BadInput(
                f"--baseline {run.id}: lasted {units.seconds(lasted)}; expected the {units.seconds(seconds)} of this run"
            )
        latency = client.get("latency_including_waiting_seconds") or {}
        known = {name: value for name, value in latency.items() if value is not None}
        is_older = (document.get("schema") or HUNG_FAIL_SCHEMA) < HUNG_FAIL_SCHEMA
        return cls(
            run.id,
            known,
            None if is_older else client.get("error_ratio"),
            client.get("rate"),
            tolerance,
            is_older,
        )

    def regressions(self, figures: Figures) -> Iterator[Reason]:
        """A reason for each signal that became worse."""
        yield from self._slower(figures.client)
        yield from self._failing(figures.client)
        yield from self._less(figures.client)

    def _slower(self, client: ClientSide) -> Iterator[Reason]:
        for name, before in self.latency_seconds.items():
            now = client.latency_including_waiting_seconds.get(name)
            if (
                now is not None
                and now > before * (1 + self.tolerance)
                and now - before > LATENCY_FLOOR_SECONDS
            ):
                after = (
                    units.at_least(units.seconds(now))
                    if name in client.at_least
                    else units.seconds(now)
                )
                yield self._reason(
                    f"regression_{name}",
                    f"client {name}, the waiting included,",
                    [units.seconds(before), after],
                )

    def _failing(self, client: ClientSide) -> Iterator[Reason]:
        before, now = self.error_ratio, client.error_ratio
        if (
            before is not None
            and now is not None
            and now > before * (1 + self.tolerance)
            and now - before > ERROR_FLOOR_RATIO
        ):
            yield self._reason(
                "regression_errors", "the error share", [units.percent(before), units.percent(now)]
            )

    def _less(self, client: ClientSide) -> Iterator[Reason]:
        before, now = self.rate, client.rate
        if before is not None and now is not None and now < before * (1 - self.tolerance):
            yield self._reason(
                "regression_rate", "the achieved rate", [units.rate(before), units.rate(now)]
            )

    def _reason(self, code: str, signal: str, values: list[str]) -> Reason:
        before, now = values
        return Reason(
            code,
            f"{signal} went from {before} to {now} since {self.id}; {units.percent(self.tolerance)} is tolerated",
        )


def _damaged(document: Mapping[str, Any]) -> str | None:
    """What of the parts that are read is not what it should be; None where all is, or is missing."""
    for name in ("profile", "verdict", "window", "figures", "generator"):
        if not isinstance(document.get(name) or {}, dict):
            return name
    if not isinstance((document.get("generator") or {}).get("locustfile") or {}, dict):
        return "generator.locustfile"
    client, window = (
        (document.get("figures") or {}).get("client") or {},
        document.get("window") or {},
    )
    latency = (
        client.get("latency_including_waiting_seconds") or {} if isinstance(client, dict) else None
    )
    if not isinstance(latency, dict):
        return "figures.client"
    numbers = {
        "schema": document.get("schema"),
        "rate": client.get("rate"),
        "error_ratio": client.get("error_ratio"),
        **latency,
        **window,
    }
    return next(
        (name for name, value in numbers.items() if not isinstance(value, float | int | None)), None
    )


def _made_by(generator: Mapping[str, Any]) -> tuple[Any, Any]:
    """What two loads must have in common beside their profile: a file's name is no matter, its bytes are."""
    return (generator.get("locustfile") or {}).get("sha256"), generator.get("workers")


def users_of(generator: Mapping[str, Any]) -> str:
    """What made a load, in words."""
    file, workers = generator.get("locustfile") or {}, generator.get("workers")
    users = f"{file.get('name')} ({str(file.get('sha256'))[:12]})" if file else "the bundled users"
    return f"{users} on {workers} worker{'' if workers == 1 else 's'}"


def _client(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return (document.get("figures") or {}).get("client") or {}


def _seconds(document: Mapping[str, Any]) -> float | None:
    window = document.get("window") or {}
    return window["end"] - window["start"] if {"start", "end"} <= set(window) else None
