"""Open loops for tests: their profiles, their workers and their counts."""

from firedrill.processes.ports import any_free

HALF, WHOLE = 20, 40
"""Arrivals a second of each of two workers, and of both."""

LONG_SECONDS = 600
"""A load goes on until a test ends it, so that nothing which is due late is cut off."""


def write_profile(
    path, rate, *, seconds=LONG_SECONDS, max_in_flight=10, user="BasicUser", until=None
):
    """Write an open profile with one rate.

    The last arrival is due after `until` seconds; the rest of the time is a pause.
    """
    pause = f", {{start_time: {until}s, rate: 0}}" if until else ""
    steps = f"steps: [{{start_time: 0s, rate: {rate}}}{pause}]"
    path.write_text(
        f"name: open\narrivals: open\nmax_in_flight: {max_in_flight}\nuser: {user}\n"
        f"{steps}\nduration: {seconds}s\n"
    )
    return path


def worker_options(workers):
    """Return the options of a master that waits for so many workers, and of each worker."""
    port = any_free()
    master = (
        "--master",
        "--expect-workers",
        workers,
        "--master-bind-host",
        "127.0.0.1",
        "--master-bind-port",
        port,
    )
    return master, ("--worker", "--master-host", "127.0.0.1", "--master-port", port)


def final_counts(metrics):
    """Return the final counts of arrivals."""
    counts = {
        fate: metrics.value(f"locust_arrivals_{fate}_total")
        for fate in ("offered", "started", "unsent")
    }
    return {**counts, "left": metrics.value("locust_arrivals_left_age_seconds_count")}
