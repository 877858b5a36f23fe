"""Facts of a load profile and its open workload that the exporter shows, unknown to Locust."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from locust_exporter.counting.arrival_counts import ArrivalCounts


def nothing_excluded(_request_type: object, _name: object) -> bool:
    """Return False: a profile without `exclude`."""
    return False


@dataclass(slots=True)
class ProfileInfo:
    """The profile that is played; kept up to date by the process that announced it."""

    profile: str = ""
    slo_latency_seconds: Mapping[str, float] = field(default_factory=dict)
    """Limits by quantile, spelled as the label is: `0.99`."""
    warmup_seconds: float = 0.0
    """Time at the begin of the load that no objective judges."""
    slo_error_ratio: float | None = None
    slo_starved_users: int | None = None
    think_time_seconds: float | None = None
    """Mean think time; None where it is not known, or in an open workload."""
    step: int | None = None
    """Index of the active step; None before the first."""
    arrivals: ArrivalCounts | None = None
    """Counts of an open workload's arrivals; None in a closed workload."""
    is_excluded: Callable[[object, object], bool] = nothing_excluded
    """Whether all totals leave out a request of this type and name."""


_announced = ProfileInfo()


def announce(info: ProfileInfo) -> None:
    """Export this profile from now on. Harmless where no exporter runs."""
    global _announced  # noqa: PLW0603 - one run a process, and plugins are imported under two names
    _announced = info


def announced() -> ProfileInfo:
    """Return the profile announced last; an empty one before."""
    return _announced
