"""Wait for an event with a deadline and a reason; never for time to pass."""

import threading
import time

PATIENCE_SECONDS = 240.0
"""How long a test waits for an event before it gives up.

No test asserts it: a machine that stands still for several seconds, or gives the tests a tenth of
its time, only makes them slower.
"""


def poll_until(predicate, reason, timeout_seconds=PATIENCE_SECONDS, every_seconds=0.05):
    """Return the first truthy value of the predicate; fail after the timeout with the reason."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := predicate()):
        if time.monotonic() > deadline:
            what = reason() if callable(reason) else reason
            raise AssertionError(
                f"waited {timeout_seconds:g} s for {what}; the last value was {value!r}"
            )
        threading.Event().wait(every_seconds)
    return value
