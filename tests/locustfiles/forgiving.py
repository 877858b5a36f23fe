"""Beside another locustfile: a master that misses no worker, however long one stands still."""

from locust import runners

runners.HEARTBEAT_LIVENESS = 60  # Of heartbeats that may fail; Locust reads it as a worker joins, and as it is heard.
