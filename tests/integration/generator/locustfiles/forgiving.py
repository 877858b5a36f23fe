"""Beside another locustfile: a master that misses no worker, however long one stands still, and says that it still waits at the end."""

import gevent
from locust import events, runners
from locust_exporter.worker import QUIT_SECONDS

runners.HEARTBEAT_LIVENESS = 600  # Of heartbeats that may fail; Locust reads it as a worker joins, and as it is heard.

WAITED_SECONDS = 2.8
"""Longer than the half second for which Locust waits, in the same event loop."""

assert WAITED_SECONDS < QUIT_SECONDS


@events.test_stopping.add_listener
def say_that_it_waits(environment, **_):
    if isinstance(environment.runner, runners.MasterRunner):
        gevent.spawn_later(WAITED_SECONDS, print, "the master still waits", flush=True)
