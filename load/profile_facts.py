"""The conversion of a load profile into the exporter's ProfileInfo."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from locust_exporter.counting.sanitize import text
from locust_exporter.profile_info import ProfileInfo, nothing_excluded

from firedrill.objectives import is_excluded
from firedrill.profile import Slo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.profile import Profile


def profile_info(profile: Profile) -> ProfileInfo:
    """Return the profile's name and objectives; no step is active yet."""
    slo = profile.slo or Slo()
    latency = {quantile_label(name): seconds for name, seconds in slo.latency_seconds.items()}
    return ProfileInfo(
        profile=profile.name,
        slo_latency_seconds=latency,
        warmup_seconds=profile.warmup_seconds,
        is_excluded=functools.partial(_is_excluded, profile.exclude)
        if profile.exclude
        else nothing_excluded,
        slo_error_ratio=slo.error_ratio,
        slo_starved_users=slo.starved_users,
    )


def _is_excluded(patterns: Sequence[str], request_type: object, name: object) -> bool:
    return is_excluded(text(request_type) or "", text(name) or "", patterns)


def quantile_label(name: str) -> str:
    """Return `0.99` for p99, `0.999` for p99.9 and `1` for max."""
    return "1" if name == "max" else f"{float(name.removeprefix('p')) / 100:g}"
