"""What the exporter shows of a load profile. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_exporter.profile_info import RunFacts

from firedrill.profile import Slo

if TYPE_CHECKING:
    from firedrill.profile import Profile


def facts_of(profile: Profile) -> RunFacts:
    """The profile's name and objectives; no step is active yet."""
    slo = profile.slo or Slo()
    latency = {quantile_label(name): seconds for name, seconds in slo.latency_seconds.items()}
    return RunFacts(profile.name, latency, slo.error_ratio, slo.starved_users)


def quantile_label(name: str) -> str:
    """`0.99` for p99, `0.5` for p50."""
    return str(int(name.removeprefix("p")) / 100)
