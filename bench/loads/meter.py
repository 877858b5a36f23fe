"""A meter beside any locustfile: requests a CPU second, after the load's first second."""

import os
import time
from pathlib import Path
from typing import Any

import gevent
from locust import events


def reading(environment: Any) -> tuple[int, float]:
    """Return the requests and CPU seconds so far."""
    return environment.stats.total.num_requests, time.process_time()


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def measure(environment: Any, **_: object) -> None:
    """From a second after the start until the load stops."""

    def write(since: tuple[int, float]) -> None:
        (requests, cpu), (requests_before, cpu_before) = reading(environment), since
        Path(os.environ["BENCH_METER"]).write_text(
            str((requests - requests_before) / (cpu - cpu_before)), encoding="ascii"
        )

    def begin() -> None:
        gevent.sleep(1)
        since = reading(environment)
        events.test_stopping.add_listener(lambda **_: write(since))  # type: ignore[no-untyped-call]

    gevent.spawn(begin)
