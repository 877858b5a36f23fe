"""The YAML form of a load profile: its keys and the bounds of each value (the rest: profile.py)."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from firedrill.errors import BadInput
from firedrill.fault_kinds import FAULT_KINDS
from firedrill.quantities import (
    parse_fault_time,
    parse_growth,
    parse_latency_limit,
    parse_presence,
    parse_range,
    parse_ratio,
    parse_seconds,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pydantic_core import ErrorDetails

HIGHEST_RATE = 100_000.0
"""Arrivals a second; more than any number of workers that one master can lead."""

MOST_SHOWN = 24
"""Candidates that the message on an unknown word lists."""

MOST_IN_FLIGHT = 100_000

MOST_USERS = 500_000
"""More than any number of workers can run; Locust would plan for days how to start them."""

SHORTEST_RISE_SECONDS = 0.1
"""Between two steps of a ramp, all of which are counted again at every look at the profile."""


def _as_shares(value: object) -> object:
    return [{"name": value}] if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(parse_seconds)]
LatencyLimit = Annotated[float, BeforeValidator(parse_latency_limit)]
PositiveSeconds = Annotated[Seconds, Field(gt=0)]
Percentage = Annotated[float, BeforeValidator(parse_ratio)]
Text = Annotated[str, Field(min_length=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Form(BaseModel):
    """Strict: a number in quotes is a mistake, and so is a key that nobody reads."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class UserForm(Form):
    """A class of users and its share."""

    name: Text
    weight: int = Field(default=1, gt=0)


class StepForm(Form):
    """Users, or arrivals a second, from `start_time` until the next step's."""

    start_time: Seconds
    users: int | None = Field(default=None, ge=0, le=MOST_USERS)
    spawn_rate: Rate | None = None
    rate: float | None = Field(default=None, ge=0, le=HIGHEST_RATE, allow_inf_nan=False)


class RampForm(Form):
    """Users, or arrivals a second, added at fixed intervals."""

    add_users: int | None = Field(default=None, gt=0, le=MOST_USERS)
    every: Annotated[Seconds, Field(ge=SHORTEST_RISE_SECONDS)]
    spawn_rate: Rate | None = None
    add_rate: float | None = Field(default=None, gt=0, le=HIGHEST_RATE, allow_inf_nan=False)


class ObjectivesForm(Form):
    """Objectives of all requests, or of those to one endpoint."""

    p50: LatencyLimit | None = None
    p90: LatencyLimit | None = None
    p95: LatencyLimit | None = None
    p99: LatencyLimit | None = None
    p99_9: LatencyLimit | None = Field(default=None, alias="p99.9")
    max: LatencyLimit | None = None
    mean: LatencyLimit | None = None
    errors: Percentage | None = None

    def latency_seconds(self) -> dict[str, float]:
        """Return the limits of percentiles and of the maximum, by `p50` to `p99.9` and `max`."""
        limits = (self.p50, self.p90, self.p95, self.p99, self.p99_9, self.max)
        names = ("p50", "p90", "p95", "p99", "p99.9", "max")
        return {name: limit for name, limit in zip(names, limits, strict=True) if limit is not None}


class SloForm(ObjectivesForm):
    """The objectives that a run is judged by."""

    starved_users: int | None = Field(default=None, ge=0)
    achieved: Annotated[Percentage, Field(gt=0)] | None = None
    endpoints: dict[Text, ObjectivesForm] = {}


def _size_of(fault: str) -> Any:
    return Field(default=None, gt=0, le=FAULT_KINDS[fault].largest)


class FaultForm(Form):
    """Faults with their sizes."""

    latency: Seconds | None = _size_of("latency")
    errors: Percentage | None = _size_of("errors")
    cpu: float | None = _size_of("cpu")
    stuck: int | None = _size_of("stuck")
    memory: Annotated[float, BeforeValidator(parse_growth)] | None = _size_of("memory")
    stop: Annotated[bool, BeforeValidator(parse_presence)] | None = None

    def sizes(self) -> dict[str, float]:
        """Size in base units by fault, of those that are given."""
        return {
            fault: float(size)
            for fault in FAULT_KINDS
            if (size := getattr(self, fault)) is not None
        }


class FaultStepForm(FaultForm):
    """Faults that begin together and last equally long."""

    start_time: Seconds
    lasts: Annotated[float, BeforeValidator(parse_fault_time)] = Field(alias="for")
    alerts: list[Text] = []


class AlertsForm(Form):
    """Alerts that must fire, and alerts that must not."""

    always: list[Text] = []
    if_slo_broken: list[Text] = []
    never: list[Text] = []


class ProfileForm(Form):
    """A profile as its file spells it."""

    name: Text
    title: str = ""
    arrivals: Literal["closed", "open"] = "closed"
    spacing: Literal["even", "poisson"] | None = None
    max_in_flight: int | None = Field(default=None, gt=0, le=MOST_IN_FLIGHT)
    user: Annotated[list[UserForm], BeforeValidator(_as_shares), Field(min_length=1)] = [
        UserForm(name="BasicUser")
    ]
    think_time: Annotated[tuple[float, float], BeforeValidator(parse_range)] = (0.5, 1.0)
    steps: list[StepForm] | None = Field(default=None, min_length=1)
    ramp: RampForm | None = None
    duration: PositiveSeconds | None = None
    warmup: Seconds = 0.0
    slo: SloForm | None = None
    abort_on_slo: bool = False
    alerts: AlertsForm = AlertsForm()
    faults: list[FaultStepForm] = []
    exclude: list[Text] = []


_FORMS: dict[str, type[Form]] = {
    "": ProfileForm,
    "user": UserForm,
    "steps": StepForm,
    "ramp": RampForm,
    "slo": SloForm,
    "alerts": AlertsForm,
    "faults": FaultStepForm,
}

Location = tuple[str | int, ...]
"""Path of keys and indexes to a value in the document: `("steps", 2, "users")`."""


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed YAML file that still knows its lines."""

    path: Path
    root: CommentedMap

    def mistake(self, location: Location, text: str) -> BadInput:
        """Error that names the file, the line and the key at `location`."""
        return BadInput(f"{self.path}:{self._line(location)}: {spell(location)} {text}")

    def _line(self, location: Location) -> int:
        """Line of the deepest part of `location` that the file has, counted from 1."""
        node: Any = self.root
        line = 0
        for key in location:
            if isinstance(node, CommentedMap) and key in node:
                line = node.lc.key(key)[0]
            elif isinstance(node, CommentedSeq) and isinstance(key, int):
                line = node.lc.item(key)[0]
            else:
                break
            node = node[key]
        return line + 1


def spell(location: Location) -> str:
    """Write a location as `steps[2].users`."""
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in location
    ).removeprefix(".")


def read_document(path: Path) -> Document:
    """Read the YAML file at `path`.

    Raises:
        BadInput: it cannot be read, is no YAML (duplicate keys are none), or is no mapping.
    """
    try:
        root = YAML().load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(f"{path}:{line}: {error.problem}; expected well-formed YAML") from error
    except YAMLError as error:
        raise BadInput(
            f"{path}: {' '.join(str(error).split())}; expected well-formed YAML"
        ) from error
    if not isinstance(root, CommentedMap):
        raise BadInput(f"{path}:1: expected keys and values, such as `name: launch`")
    return Document(path, root)


def validate(document: Document) -> ProfileForm:
    """Check a document against the form. Raises BadInput for its first mistake."""
    try:
        return ProfileForm.model_validate(document.root)
    except ValidationError as invalid:
        # A mistyped key is also a missing one; report the mistyped one.
        errors = invalid.errors(include_url=False)
        error = min(errors, key=lambda error: error["type"] != "extra_forbidden")
        raise document.mistake(error["loc"], complaint(error)) from invalid


def complaint(error: ErrorDetails) -> str:
    """Return what is wrong with the value at the error's location, without its name."""
    *parents, key = error["loc"]
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "extra_forbidden":
        return f"is no key{nearest(str(key), keys()[str(parents[0]) if parents else ''])}"
    return value_complaint(error)


def value_complaint(error: ErrorDetails) -> str:
    """Return what is wrong with a value, and what was expected."""
    return f"is {_shown(error['input'])}; expected {_expectation(error)}"


def _shown(value: object) -> str:
    if isinstance(value, str):
        return repr(str(value))
    if isinstance(value, int | float):
        return str(value)
    return "empty" if value is None else "a collection"


def _expectation(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    sentences = {
        "value_error": "{error}",
        "greater_than_equal": "{ge:g} or more",
        "greater_than": "more than {gt}",
        "less_than_equal": "{le:g} or less",
        "literal_error": "{expected}",
        "int_type": "a whole number",
        "float_type": "a number",
        "bool_type": "true or false",
        "finite_number": "a number",
        "string_type": "text",
        "string_too_short": "text",
        "list_type": "a list",
        "model_type": "keys and values",
        "too_short": "at least {min_length} entry",
    }
    return (
        sentences[error["type"]].format(**context) if error["type"] in sentences else error["msg"]
    )


def keys() -> dict[str, tuple[str, ...]]:
    """Return the keys of a profile by the key that they are nested in; `""` for the outermost."""
    return {
        place: tuple(field.alias or name for name, field in form.model_fields.items())
        for place, form in _FORMS.items()
    }


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean a or b? (known: a, b, c)`, with a guess only where one is near.

    A long list of candidates is not shown.
    """
    candidates = sorted(known)
    near = difflib.get_close_matches(word, candidates, n=2, cutoff=0.5)
    guess = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"{guess} (known: {', '.join(candidates)})" if len(candidates) <= MOST_SHOWN else guess
