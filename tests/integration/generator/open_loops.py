"""Open workloads for tests: their profiles, their workers and their counts."""

from tests import firedrill_process, run_json
from tests.target_server import Target
from tests.waiting import PATIENCE_SECONDS

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


def final_counts(metrics):
    """Return the final counts of arrivals."""
    counts = {
        fate: metrics.value(f"locust_arrivals_{fate}_total")
        for fate in ("offered", "started", "unsent")
    }
    return {**counts, "left": metrics.value("locust_arrivals_left_age_seconds_count")}


def play_api_that_hangs(folder, target):
    """Play 50 arrivals a second for 8 s against a target that hangs for the last three.

    Arrivals wait for less than the five seconds after which they are dropped. Return the exit code,
    the output and the run.json.
    """
    profile = write_profile(folder / "open.yaml", 50, seconds=8)
    profile.write_text(f"{profile.read_text()}slo: {{p99: 250ms}}\n")
    target.clears_at = 50 * 5
    return _play(folder, profile, target)


def play_breakpoint(folder):
    """Play a ramp by 12 arrivals a second against a target that answers 20 a second.

    Return the exit code, the output and the run.json.
    """
    profile = folder / "breakpoint.yaml"
    profile.write_text(
        "name: breakpoint\narrivals: open\nramp: {add_rate: 12, every: 3s}\n"
        "max_in_flight: 200\nabort_on_slo: true\nslo: {p95: 250ms}\n"
    )
    with Target(seconds_each=0.05) as narrow:
        return _play(folder, profile, narrow)


def _play(folder, profile, target):
    drill = firedrill_process.start(folder / "runs", profile, "--target", target.url)
    code, output, _ = drill.finish(3 * PATIENCE_SECONDS)
    return code, output, run_json.content(drill.run())
