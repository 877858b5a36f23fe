"""Waiting for something, with a deadline and a reason; never for time to pass."""

import threading
import time


def poll_until(predicate, reason, timeout_seconds=15.0, every_seconds=0.05):
    """The first truthy value of the predicate; fails after the timeout, saying what was awaited."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := predicate()):
        if time.monotonic() > deadline:
            what = reason() if callable(reason) else reason
            raise AssertionError(f"waited {timeout_seconds:g} s for {what}; the last value was {value!r}")
        threading.Event().wait(every_seconds)
    return value
