"""How late an open loop sends its arrivals at four fifths of what its generator can do.

One process on a core of its own, FastHttpUser, Poisson arrivals; a server that answers at once
shares the other cores with the rest. Each of five rounds first finds the generator's capacity: the
rate that it sends when asked for 12,000 a second, less 7 % again and again until it holds the rate
for three seconds with a backlog of at most 50 ms. The measured rate is 0.8 of that. `due` is the
drawn schedule, counted by itself. Start delay is that of all arrivals after the first two seconds,
and no finer than its first bucket of 5 ms. `control` shows the machine's own stalls: how late a
process that does nothing else sees 500 times a second pass, for two seconds before and two after
each run, on the core that Locust has in between. The median is the middle round by start delay.
Aim: offered equals due, start delay below 10 ms at the 99th percentile.
Run: `python -m bench.open_loop`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from bench.loads import locust_runs
from bench.result_tables import save, table
from firedrill import histogram
from firedrill.places import LOCUSTFILE
from firedrill.profile import load_profile

ROUNDS, SECONDS, WARM_SECONDS, LOAD = 5, 6, 2, 0.8
MOST_RATE, MOST_SECONDS, LESS = 12_000, 3, 0.93
HELD_SECONDS, WAITING_SECONDS = 3, 0.05

CONTROL_SECONDS = 2
CONTROL = """
import sys, time
due = time.perf_counter()
end = due + float(sys.argv[1])
while due < end:
    while (now := time.perf_counter()) < due:
        pass
    print(now - due)
    due += 0.002
"""


def profile_of(folder: Path, rate: int, seconds: int) -> Path:
    """Write a profile file."""
    text = f"""arrivals: open
spacing: poisson
max_in_flight: 200
steps: [{{start_time: 0s, rate: {rate}}}]
duration: {seconds}s"""
    return locust_runs.profile(folder, text)


def due_of(profile: Path) -> int:
    """Return the number of arrivals of the drawn schedule."""
    from firedrill_load.open_loop.schedule import schedule_of  # noqa: PLC0415

    return sum(1 for _ in schedule_of(load_profile(str(profile))).arrivals_since(0.0))


def most_held(url: str, folder: Path) -> float:
    """Return the arrivals a second that the process holds at this time."""
    rate = (
        locust_runs.run(
            str(LOCUSTFILE), url, "--load-profile", profile_of(folder, MOST_RATE, MOST_SECONDS)
        ).requests
        / MOST_SECONDS
    )
    while not holds(url, folder, round(rate)):
        rate *= LESS
    return rate


def holds(url: str, folder: Path, rate: int) -> bool:
    """Return whether hardly any arrivals wait after the first second, in which connections open."""
    run = locust_runs.run(
        str(LOCUSTFILE), url, "--load-profile", profile_of(folder, rate, HELD_SECONDS)
    )
    offered, started = (
        [run.value(f"locust_arrivals_{what}_total", at) for at in range(len(run.scrapes))]
        for what in ("offered", "started")
    )
    return all(
        due - sent < WAITING_SECONDS * rate
        for due, sent in zip(offered, started, strict=True)
        if due > rate
    )


def stalls() -> list[float]:
    """Return how late a process on Locust's core sees times pass while Locust does not run."""
    control = [sys.executable, "-c", CONTROL, str(CONTROL_SECONDS)]
    with subprocess.Popen(control, stdout=subprocess.PIPE, text=True) as process:
        locust_runs.pin(process.pid, beside_locust=True)
        return [float(line) for line in process.communicate()[0].split()]


def one_round(url: str, folder: Path) -> dict[str, float]:
    """Return the figures of one run at a rate that the machine can do at this time."""
    rate = round(LOAD * most_held(url, folder))
    profile = profile_of(folder, rate, SECONDS)
    before = stalls()
    run = locust_runs.run(str(LOCUSTFILE), url, "--load-profile", profile)
    idle = sorted(before + stalls())
    # A scrape after the first seconds of the rate: users, connections and code are warm.
    warm = next(
        at
        for at in range(len(run.scrapes))
        if run.value("locust_arrivals_started_total", at) > WARM_SECONDS * rate
    )
    late = run.buckets("locust_arrival_lateness_seconds", warm)
    return {
        "rate": rate,
        "due": due_of(profile),
        "offered": run.value("locust_arrivals_offered_total"),
        "started": run.value("locust_arrivals_started_total"),
        "unsent": run.value("locust_arrivals_unsent_total"),
        "late_p99_ms": round((histogram.quantile(0.99, late) or 0.0) * 1000, 1),
        "control_p99_ms": round(idle[int(0.99 * len(idle))] * 1000, 1),
    }


def main() -> None:
    """Measure, print, save."""
    with locust_runs.fast_target() as url, tempfile.TemporaryDirectory() as folder:
        measured = sorted(
            (one_round(url, Path(folder)) for _ in range(ROUNDS)),
            key=lambda row: row["late_p99_ms"],
        )
    rows = [
        {"run": name, **measured[at]}
        for name, at in (("best", 0), ("median", ROUNDS // 2), ("worst", -1))
    ]
    table(rows)
    save("open_loop", rows)


if __name__ == "__main__":
    main()
