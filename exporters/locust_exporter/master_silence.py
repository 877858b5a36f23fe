"""How long a worker bears a master that says nothing. Pure."""

MASTER_SECONDS = 10.0
"""A worker whose load runs ends when its master is silent for so long, before the 60 s in which Locust sends what nobody sees. The run is

void by then. One that waits for a load has Locust's time: a master may be started again.
"""


def is_forsaken(silent_seconds: float, state: str) -> bool:
    """Whether a worker in this state of Locust's ends, which has heard nothing of its master for so long."""
    return silent_seconds >= MASTER_SECONDS and state in {"spawning", "running"}
