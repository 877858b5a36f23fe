"""The open profile of a search: users, exclusions and SLO of the user's profile, a live rate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from firedrill import units
from firedrill.errors import BadInput
from firedrill.histogram import QUANTILES
from firedrill.profile import Slo
from firedrill.profile_form import ObjectivesForm, complaint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from firedrill.profile import Profile

SLOTS = 500
"""Requests in flight and idle users, where the profile does not say (max_in_flight)."""

OBJECTIVES = (*QUANTILES, "max", "errors")
"""Objectives that a trial is judged by."""

DEFAULT_ERRORS = "1%"
"""Accepted share of failed requests where --slo names none."""


def slo_of(words: Sequence[str], profile: Profile) -> Slo:
    """Return the latency and error objectives of `p99=250ms`, `errors=1%`, else the profile's.

    Raises:
        BadInput: a word is no objective, or there is none at all.
    """
    if not words:
        slo = profile.slo or Slo()
        if not slo.latency_seconds and slo.error_ratio is None:
            raise BadInput(
                f"profile {profile.name} has no latency or error objective; "
                "expected --slo p99=250ms"
            )
        return Slo(latency_seconds=slo.latency_seconds, error_ratio=slo.error_ratio)
    limits = {"errors": DEFAULT_ERRORS}
    for word in ",".join(words).split(","):
        name, equals, limit = word.strip().partition("=")
        if not equals or name not in OBJECTIVES:
            raise BadInput(
                f"--slo {word}: expected objectives such as p99=250ms, of {', '.join(OBJECTIVES)}"
            )
        limits[name] = limit
    try:
        form = ObjectivesForm.model_validate(limits)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False)[0]
        raise BadInput(f"--slo {first['loc'][0]} {complaint(first)}") from invalid
    return Slo(latency_seconds=form.latency_seconds(), error_ratio=form.errors)


def write_profile(file: Path, profile: Profile, slo: Slo, spacing: str) -> None:
    """Write the profile that Locust plays, as YAML of which JSON is a part."""
    slots = profile.open_loop.max_in_flight if profile.open_loop else SLOTS
    limits = {
        name: f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
        for name, seconds in slo.latency_seconds.items()
    }
    if slo.error_ratio is not None:
        limits["errors"] = f"{slo.error_ratio * 100:.6f}%"
    content = {
        "name": profile.name,
        "title": f"Capacity - {profile.title}",
        "user": [{"name": user.user_class, "weight": user.weight} for user in profile.users],
        "arrivals": "open",
        "spacing": spacing,
        "max_in_flight": slots,
        "steps": [{"start_time": "0s", "rate": 0}],
        "slo": limits,
        "exclude": list(profile.exclude),
    }
    file.write_text(json.dumps(content, indent=2) + "\n")


def slo_text(slo: Slo) -> str:
    """Return an SLO in the words of --slo."""
    words = [f"{name} {units.latency(limit)}" for name, limit in slo.latency_seconds.items()]
    if slo.error_ratio is not None:
        words.append(f"errors {units.percent(slo.error_ratio)}")
    return ", ".join(words)
