"""Built systems with a known bottleneck: ten seconds of low load, then forty of a high one."""

from dataclasses import replace

from firedrill.diagnosis.evidence import Evidence, HandlerWindow, StageSeries
from firedrill.profile import OpenLoop, Step
from firedrill.record.diagnosis import ServiceModel
from tests.unit.healthy_run import PROFILE

RISE = 10
SECONDS = 50
CLOSED = replace(PROFILE, steps=(Step(0, 10, 10), Step(RISE, 200, 200)), duration_seconds=SECONDS)
OPEN = replace(
    PROFILE,
    steps=(Step(0, 500, 500, 20.0), Step(RISE, 500, 500, 248.0)),
    duration_seconds=SECONDS,
    open_loop=OpenLoop(500),
)


def points(low, high):
    """A value at low load, and one at high load, each second."""
    return {float(time): low if time < RISE else high for time in range(SECONDS)}


def stage(used, waiting=0.0, limit=1.0, idle=0.05):
    """A stage with this use and this much waiting at the high load."""
    return StageSeries(points(idle, used), points(0.0, waiting), limit)


def handler(rate, seconds, *, cpu=0.1, lag=0.0003, quiet_seconds=0.055, quiet_rate=12.0):
    """The handler at the high load; at the low one it takes `quiet_seconds`."""
    return [
        HandlerWindow(float(time), quiet_rate, quiet_seconds, 0.02)
        if time < RISE
        else HandlerWindow(float(time), rate, seconds, cpu, lag)
        for time in range(SECONDS)
    ]


FREE = {
    "generator": stage(0.1, 0.03, None),
    "backlog": stage(0.0, limit=1024.0),
    "file_descriptors": stage(0.02, limit=1024.0),
    "connections": stage(0.2, limit=998.0),
    "workers": stage(0.7, limit=20.0),
    "cpu": stage(0.2, 0.0003, 1.0),
}
"""A waitress of twenty threads that carries the load."""


def model(mean=0.055, *, cpu=0.0014, think=0.75):
    """Service times evenly spread around a mean."""
    return ServiceModel(
        tuple(mean * (0.2 + 1.6 * (index + 0.5) / 100) for index in range(100)), 0.002, think, cpu
    )


def evidence(stages=None, *, without=(), **changed):
    """The evidence of a run of 200 users; stages replace those that are free."""
    known = {
        "profile": CLOSED,
        "seconds": float(SECONDS),
        "peak_users": 200.0,
        "stages": {
            name: series
            for name, series in {**FREE, **(stages or {})}.items()
            if name not in without
        },
        "handler": handler(248.0, 0.055),
        "in_flight": points(1.0, 14.0),
        "model": model(),
        "handler_seconds": 0.055,
        "generator_cpu_seconds": 0.0005,
        "processes": 1,
        "cores": 2.0,
        "settings": {"threads": 20, "connection_limit": 1000},
    }
    return Evidence(**known | changed)
