"""A load profile, checked across keys and steps: users or arrivals at each moment, and the SLO."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping  # noqa: TC003 -- pydantic reads the annotations
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firedrill.errors import BadInput
from firedrill.fault_kinds import FAULT_KINDS
from firedrill.places import PROFILES
from firedrill.profile_form import (
    HIGHEST_RATE,
    Document,
    Location,
    ObjectivesForm,
    ProfileForm,
    nearest,
    read_document,
    validate,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


@dataclass(frozen=True, slots=True)
class UserShare:
    """A class of users and its weight among the others."""

    user_class: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """`users` from `start_seconds` on, approached at `spawn_rate` users a second, up or down."""

    start_seconds: float
    users: int
    spawn_rate: float
    rate: float | None = None
    """Arrivals a second of an open workload, whose users are their slots; None in a closed one."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """`add_users` more at the start and then every `every_seconds`, without end."""

    add_users: int
    every_seconds: float
    spawn_rate: float

    def steps(self) -> Iterator[Step]:
        """Return the ramp as steps; endless."""
        return (
            Step(n * self.every_seconds, (n + 1) * self.add_users, self.spawn_rate)
            for n in itertools.count()
        )


@dataclass(frozen=True, slots=True)
class RateRamp:
    """`add_rate` more arrivals a second at the start and then every `every_seconds`, endless."""

    add_rate: float
    every_seconds: float
    slots: int

    def steps(self) -> Iterator[Step]:
        """Return the ramp as steps; endless, the last ones at the highest rate that is allowed."""
        rates = (min(HIGHEST_RATE, (n + 1) * self.add_rate) for n in itertools.count())
        return (
            Step(n * self.every_seconds, self.slots, self.slots, rate)
            for n, rate in enumerate(rates)
        )


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """Arrivals that do not wait for answers."""

    max_in_flight: int
    """Users: each is a slot that one arrival at a time takes."""
    poisson: bool = False
    """Arrivals that know nothing of each other, instead of evenly spaced ones."""


@dataclass(frozen=True, slots=True)
class Objectives:
    """Limits of a set of requests; one that is None is not judged."""

    latency_seconds: Mapping[str, float] = field(default_factory=dict)
    """Largest latency by percentile (`p50` to `p99.9`) or `max`."""
    error_ratio: float | None = None
    """Largest share of failed requests, 0..1."""
    mean_seconds: float | None = None
    """Largest mean latency."""


@dataclass(frozen=True, slots=True)
class Slo(Objectives):
    """The objectives that a run is judged by."""

    starved_users: int | None = None
    """Most users that may be stuck in one request at a time."""
    starved_users_if_measured: bool = False
    """Whether users that may have waited unseen leave the rest to be judged, with a remark."""
    achieved_ratio: float | None = None
    """Smallest share of the offered rate that is achieved, 0..1."""
    endpoints: Mapping[str, Objectives] = field(default_factory=dict)
    """Objectives of single endpoints, by name or by `METHOD name`."""

    def objectives_of(self, method: str, name: str) -> Objectives | None:
        """Return the objectives of an endpoint; None without any.

        Those of `METHOD name` come before those of the name.
        """
        general, own = self.endpoints.get(name), self.endpoints.get(f"{method} {name}")
        if general is None or own is None:
            return own or general
        return Objectives(
            {**general.latency_seconds, **own.latency_seconds},
            general.error_ratio if own.error_ratio is None else own.error_ratio,
            general.mean_seconds if own.mean_seconds is None else own.mean_seconds,
        )

    @property
    def has_objectives(self) -> bool:
        """Whether there is anything to judge by it."""
        return self != Slo()


@dataclass(frozen=True, slots=True)
class AlertExpectations:
    """Names of alerts, by what a drill expects of them."""

    always: tuple[str, ...] = ()
    if_slo_broken: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FaultStep:
    """Faults that the drill sets on the API together, and how long they last."""

    start_seconds: float
    for_seconds: float
    sizes: Mapping[str, float]
    """By the names of the contract's FAULT_KINDS, in base units."""
    alerts: tuple[str, ...] = ()
    """Alerts that must fire after it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A load profile. Its users come from `steps` or from `ramp`; the other one is empty."""

    name: str
    title: str
    users: tuple[UserShare, ...]
    think_time_seconds: tuple[float, float]
    """Shortest and longest pause between a user's tasks."""
    steps: tuple[Step, ...]
    ramp: Ramp | RateRamp | None
    duration_seconds: float | None
    """None: until it is stopped."""
    warmup_seconds: float
    """Left out of every percentile of the verdict."""
    slo: Slo | None
    alerts: AlertExpectations
    faults: tuple[FaultStep, ...] = ()
    """In order of their beginning."""
    open_loop: OpenLoop | None = None
    """None in a closed workload, whose users wait for their answers."""
    abort_on_slo: bool = False
    """Whether `firedrill run` ends the load when the SLO is broken for certain."""
    exclude: tuple[str, ...] = ()
    """Patterns of request names and types that neither rates nor objectives include."""

    def objective_seconds(self) -> set[float]:
        """Return every latency that an objective of all requests or of an endpoint names."""
        slo = self.slo or Slo()
        return {
            seconds
            for objectives in (slo, *slo.endpoints.values())
            for seconds in objectives.latency_seconds.values()
        }

    def all_steps(self) -> Iterator[Step]:
        """Return the steps in order; endless for a ramp."""
        return self.ramp.steps() if self.ramp else iter(self.steps)

    def target_at(self, seconds: float) -> tuple[int, float] | None:
        """Return users and spawn rate after `seconds` of the run; None when it is over."""
        if self._over(seconds):
            return None
        step = self.load_at(seconds)
        return step.users, step.spawn_rate

    def load_at(self, seconds: float) -> Step:
        """Return the step that is active after `seconds`, the last one when the run is over."""
        return self._steps_until(seconds)[-1]

    def step_at(self, seconds: float) -> int:
        """Return the index of the step that is active after `seconds`, 0 for the first."""
        return len(self._steps_until(seconds)) - 1

    def scheduled_users(self, seconds: float) -> float:
        """Return the users if every spawn rate is followed exactly; 0 when the run is over."""
        if self._over(seconds):
            return 0.0
        steps = self._steps_until(seconds)
        users = 0.0
        for step, end in zip(
            steps, [*(later.start_seconds for later in steps[1:]), seconds], strict=True
        ):
            reach = step.spawn_rate * (end - step.start_seconds)
            users = min(max(float(step.users), users - reach), users + reach)
        return users

    def _over(self, seconds: float) -> bool:
        return self.duration_seconds is not None and seconds >= self.duration_seconds

    def _steps_until(self, seconds: float) -> list[Step]:
        """Return the steps that have begun; the first one always has."""
        return list(
            itertools.takewhile(
                lambda step: step.start_seconds <= max(seconds, 0.0), self.all_steps()
            )
        )


def bundled_profiles() -> dict[str, Path]:
    """Return the files of the bundled profiles, by name."""
    return {path.stem: path for path in sorted(PROFILES.glob("*.yaml"))}


def load_profile(name_or_path: str) -> Profile:
    """Read the bundled profile of that name, or the one in that file.

    Raises:
        BadInput: the name is unknown, the file cannot be read, or it has a mistake.
    """
    document = read_document(profile_file(name_or_path))
    profile = _build(validate(document), document)
    if profile.slo and name_or_path in bundled_profiles():
        # Whoever takes a bundled profile has not asked for this objective by its name.
        return replace(profile, slo=replace(profile.slo, starved_users_if_measured=True))
    return profile


def profile_file(name_or_path: str) -> Path:
    """Return the file of a profile, by name or path. Raises BadInput for an unknown name."""
    bundled = bundled_profiles()
    if name_or_path in bundled:
        return bundled[name_or_path]
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        return path
    raise BadInput(f"profile {name_or_path} is unknown{nearest(name_or_path, bundled)}")


def check_users(name_or_path: str, known: Collection[str]) -> None:
    """Raise BadInput, with its line, for a class of users that is not known."""
    document = read_document(profile_file(name_or_path))
    for index, user in enumerate(validate(document).user):
        if user.name not in known:
            place: Location = (
                ("user", index, "name") if isinstance(document.root["user"], list) else ("user",)
            )
            raise document.mistake(
                place,
                f"is {user.name}, which is none of the bundled users{nearest(user.name, known)}",
            )


def _build(form: ProfileForm, document: Document) -> Profile:
    if form.steps is not None and form.ramp is not None:
        raise document.mistake(("ramp",), "is given beside steps; expected one of them")
    if form.steps is None and form.ramp is None:
        raise document.mistake(("steps",), "is missing; expected steps or ramp")
    _check_kind_of_loop(form, document)
    _check_duration(form, document)
    return Profile(
        name=form.name,
        title=form.title or form.name,
        users=_users(form, document),
        think_time_seconds=form.think_time,
        steps=_steps(form, document),
        ramp=_ramp(form),
        duration_seconds=form.duration,
        warmup_seconds=form.warmup,
        slo=_slo(form, document),
        alerts=_alerts(form, document),
        faults=_faults(form, document),
        open_loop=OpenLoop(form.max_in_flight, form.spacing == "poisson")
        if form.max_in_flight
        else None,
        abort_on_slo=form.abort_on_slo,
        exclude=tuple(form.exclude),
    )


def _check_kind_of_loop(form: ProfileForm, document: Document) -> None:
    """Raise BadInput for keys that an open or closed workload lacks, or of the other one."""
    is_open = form.arrivals == "open"
    needed, foreign = (("max_in_flight",), ()) if is_open else ((), ("spacing", "max_in_flight"))
    _demand(form, (), needed, foreign, document)
    of_steps, of_ramp = (("rate",), ("add_rate",)) if is_open else (("users",), ("add_users",))
    not_of_steps, not_of_ramp = (
        (("users", "spawn_rate"), ("add_users", "spawn_rate"))
        if is_open
        else (("rate",), ("add_rate",))
    )
    for index, step in enumerate(form.steps or ()):
        _demand(step, ("steps", index), of_steps, not_of_steps, document)
    if form.ramp:
        _demand(form.ramp, ("ramp",), of_ramp, not_of_ramp, document)


def _check_duration(form: ProfileForm, document: Document) -> None:
    """Raise BadInput for a warm-up that leaves nothing to judge, or a ramp that rises too high."""
    if form.duration is None:
        return
    if form.warmup >= form.duration:
        raise document.mistake(
            ("warmup",), f"is {form.warmup:g}s; expected less than the duration, {form.duration:g}s"
        )
    if form.ramp and form.ramp.add_rate:
        highest = form.ramp.add_rate * math.ceil(form.duration / form.ramp.every)
        if highest > HIGHEST_RATE:
            text = (
                f"comes to {highest:.0f} a second by the end; expected {HIGHEST_RATE:.0f} at most"
            )
            raise document.mistake(("ramp", "add_rate"), text)


def _demand(
    form: object,
    place: Location,
    needed: tuple[str, ...],
    foreign: tuple[str, ...],
    document: Document,
) -> None:
    for key in needed:
        if getattr(form, key) is None:
            raise document.mistake((*place, key), "is missing")
    for key in foreign:
        if getattr(form, key) is not None:
            expected = "closed" if key in {"users", "spawn_rate", "add_users"} else "open"
            raise document.mistake((*place, key), f"belongs to arrivals: {expected}")


def _users(form: ProfileForm, document: Document) -> tuple[UserShare, ...]:
    names = [user.name for user in form.user]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise document.mistake(
                ("user", index, "name"),
                f"is {name} once more; expected each class of users once, with its weight",
            )
    return tuple(UserShare(user.name, user.weight) for user in form.user)


def _ramp(form: ProfileForm) -> Ramp | RateRamp | None:
    ramp = form.ramp
    if ramp and ramp.add_rate and form.max_in_flight:
        return RateRamp(ramp.add_rate, ramp.every, form.max_in_flight)
    return (
        Ramp(ramp.add_users, ramp.every, ramp.spawn_rate or ramp.add_users)
        if ramp and ramp.add_users
        else None
    )


def _steps(form: ProfileForm, document: Document) -> tuple[Step, ...]:
    steps: list[Step] = []
    for index, step in enumerate(form.steps or ()):
        if not steps and step.start_time != 0:
            raise document.mistake(
                ("steps", 0, "start_time"), f"is {step.start_time:g}s; expected 0s"
            )
        if steps and step.start_time <= steps[-1].start_seconds:
            expectation = f"more than the {steps[-1].start_seconds:g}s of the step before it"
            raise document.mistake(
                ("steps", index, "start_time"), f"is {step.start_time:g}s; expected {expectation}"
            )
        users = form.max_in_flight or step.users or 0
        inherited = steps[-1].spawn_rate if steps else float(max(users, 1))
        steps.append(Step(step.start_time, users, step.spawn_rate or inherited, step.rate))
    if form.duration is not None and steps and steps[-1].start_seconds >= form.duration:
        raise document.mistake(
            ("duration",), f"is {form.duration:g}s; expected more than the last step's start_time"
        )
    return tuple(steps)


def _faults(form: ProfileForm, document: Document) -> tuple[FaultStep, ...]:
    for index, fault in enumerate(form.faults):
        if not fault.sizes():
            raise document.mistake(
                ("faults", index),
                f"sets no fault; expected one or more of {', '.join(FAULT_KINDS)}",
            )
        if form.duration is not None and fault.start_time >= form.duration:
            raise document.mistake(
                ("faults", index, "start_time"),
                f"is {fault.start_time:g}s; expected less than the duration",
            )
    steps = (
        FaultStep(fault.start_time, fault.lasts, fault.sizes(), tuple(fault.alerts))
        for fault in form.faults
    )
    return tuple(sorted(steps, key=lambda step: step.start_seconds))


def _alerts(form: ProfileForm, document: Document) -> AlertExpectations:
    wanted = {
        *form.alerts.always,
        *form.alerts.if_slo_broken,
        *(name for fault in form.faults for name in fault.alerts),
    }
    for index, name in enumerate(form.alerts.never):
        if name in wanted:
            raise document.mistake(
                ("alerts", "never", index),
                f"is {name}, which is expected to fire elsewhere in the profile",
            )
    return AlertExpectations(
        *map(tuple, (form.alerts.always, form.alerts.if_slo_broken, form.alerts.never))
    )


def _slo(form: ProfileForm, document: Document) -> Slo | None:
    if form.slo is None:
        if form.abort_on_slo:
            raise document.mistake(("abort_on_slo",), "needs objectives; expected slo beside it")
        return None
    slo = Slo(
        **_objectives(form.slo),
        starved_users=form.slo.starved_users,
        achieved_ratio=form.slo.achieved,
        endpoints={
            name: Objectives(**_objectives(limits)) for name, limits in form.slo.endpoints.items()
        },
    )
    if form.abort_on_slo and not slo.has_objectives:
        raise document.mistake(("abort_on_slo",), "needs objectives; expected one or more in slo")
    return slo


def _objectives(form: ObjectivesForm) -> dict[str, Any]:
    return {
        "latency_seconds": form.latency_seconds(),
        "error_ratio": form.errors,
        "mean_seconds": form.mean,
    }
