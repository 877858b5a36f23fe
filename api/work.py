"""The work that `GET /` does: wait, as on a database, or compute."""

from __future__ import annotations

import time
from random import uniform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.api_settings import Settings


def work(settings: Settings) -> float:
    """Work once for a random time in the range; return it in seconds.

    They are seconds of sleep when waiting, and of this thread's CPU when computing.
    """
    seconds = uniform(*settings.work_seconds)  # noqa: S311 -- a load's spread, not a secret
    if settings.work_kind == "waiting":
        time.sleep(seconds)
    else:
        compute(seconds)
    return seconds


def compute(cpu_seconds: float) -> None:
    """Use CPU time, so that work takes longer on a shared processor, as real work does."""
    done = time.thread_time() + cpu_seconds
    while time.thread_time() < done:
        sum(range(1000))  # about 10 us between looks at the clock
