"""A clock for the telemetry that stands still until a test moves it."""

import pytest


class Clock:
    """Stands in for `perf_counter`."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds

    def advance(self, seconds):
        self.seconds += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in ("active_faults", "middleware.asgi", "middleware.wsgi", "metrics_process"):
        monkeypatch.setattr(f"firedrill.telemetry.{module}.perf_counter", clock)
    return clock
