"""Users follow the curve of their profile's spawn rate, or the run is void."""

import pytest

from firedrill.drill.measure.measurement import Measurement
from firedrill.profile import load_profile
from firedrill.prometheus.client import Series
from firedrill.record.figures import Window

PROFILE = """\
name: slow
user: BasicUser
steps: [{start_time: 0s, users: 60, spawn_rate: 1}]
duration: 120s
"""


class Recorded:
    """Knows of nothing but users, who are so many seconds behind the spawn rate."""

    def __init__(self, late_seconds, most=60.0):
        self._late_seconds = late_seconds
        self._most = most

    def raw(self, _selector, _start, _end):
        return []

    def instant(self, _query, _time):
        return []

    def range(self, query, start, end):
        points = [
            (start + at, min(self._most, max(0.0, at - self._late_seconds)))
            for at in range(int(end - start))
        ]
        return [Series({}, tuple(points))] if query == "sum(locust_users)" else []

    def number(self, _query, _time):
        return None


@pytest.mark.parametrize(
    ("late_seconds", "behind"), [(0, {}), (29, {}), (40, {"users_behind": 69.0})]
)
def test_users_may_lag_a_slow_spawn_by_half_a_minute(tmp_path, late_seconds, behind):
    path = tmp_path / "slow.yaml"
    path.write_text(PROFILE)
    measurement = Measurement(
        prom=Recorded(late_seconds),
        profile=load_profile(str(path)),
        run_id="run",
        window=Window(1000, 1120),
        knows_think_time=True,
    )
    assert measurement.figures(()).invalid == behind


@pytest.mark.parametrize(
    ("seconds", "most", "behind"),
    [(14, 1, {"users_behind": 6.0}), (14, 5, {}), (8, 1, {"users_behind": 3.0})],
)
def test_missing_users_void_a_short_run_as_well(tmp_path, seconds, most, behind):
    """Five are asked for at once; half the run is enough to start them."""
    path = tmp_path / "short.yaml"
    path.write_text(PROFILE.replace("60, spawn_rate: 1", "5, spawn_rate: 5").replace("120s", "15s"))
    measurement = Measurement(
        prom=Recorded(0, most),
        profile=load_profile(str(path)),
        run_id="run",
        window=Window(1000, 1000 + seconds),
        knows_think_time=True,
    )
    assert measurement.figures(()).invalid == behind
