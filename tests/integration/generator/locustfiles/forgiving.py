"""A master, beside another locustfile, that keeps silent workers and says that it waits for them.

A worker that gets no CPU for four seconds on a busy machine, as at its start, would be missed, and
a load without workers ends.
"""

import os

import gevent
from locust import events, runners
from locust_exporter.worker import QUIT_SECONDS

# The number of heartbeats that may fail. Locust reads it when a worker joins and when it reports.
runners.HEARTBEAT_LIVENESS = int(os.environ.get("LIVENESS", "600"))

WAITED_SECONDS = 2.8
"""Longer than the half second for which Locust waits, in the same event loop."""

assert WAITED_SECONDS < QUIT_SECONDS


@events.test_stopping.add_listener
def say_that_it_waits(environment, **_):
    if isinstance(environment.runner, runners.MasterRunner):
        gevent.spawn_later(WAITED_SECONDS, print, "the master still waits", flush=True)
