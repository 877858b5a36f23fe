"""An open loop at four fifths of what its generator can do: is what was due sent, and how late?

One process, FastHttpUser, Poisson arrivals, a server that answers at once. In each of five rounds the rate is 0.8 of what the process has
just sent when asked for 12,000 a second. `due` is the drawn schedule, counted by itself; lateness is that of all arrivals after the first
two seconds; `control` is how late a process beside it wakes that sleeps for 2 ms at a time: the machine's own stalls. The median is the
round in the middle by lateness. Aim: offered equals due, lateness under 10 ms at the 99th percentile. Run: `python -m bench.open_loop`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from bench.loads import runs
from bench.tables import save, table
from firedrill import histogram
from firedrill.places import LOCUSTFILE, ROOT
from firedrill.profile import load_profile

ROUNDS, SECONDS, WARM_SECONDS, LOAD = 5, 8, 2, 0.8
MOST_RATE, MOST_SECONDS = 12_000, 4

CONTROL = """
import sys, threading, time
late, over = [], threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
while not over.is_set():
    before = time.perf_counter()
    time.sleep(0.002)
    late.append(time.perf_counter() - before - 0.002)
print(sorted(late)[int(0.99 * len(late))] * 1000)
"""


def profile_of(folder: Path, rate: int, seconds: int) -> Path:
    """A profile file."""
    steps = f"spacing: poisson\nmax_in_flight: 200\nsteps: [{{start_time: 0s, rate: {rate}}}]\nduration: {seconds}s"
    return runs.profile(folder, f"arrivals: open\n{steps}")


def due_of(profile: Path) -> int:
    """Arrivals of the drawn schedule, in a process that knows nothing of Locust."""
    sys.path.append(str(ROOT / "load"))
    from arrivals import schedule_of  # noqa: PLC0415 - found where Locust finds it

    return sum(1 for _ in schedule_of(load_profile(str(profile))).since(0.0))


def one_round(url: str, folder: Path) -> dict[str, float]:
    """Figures of one run, at a rate that the machine can do at this time."""
    most = runs.run(str(LOCUSTFILE), url, "--load-profile", profile_of(folder, MOST_RATE, MOST_SECONDS)).requests / MOST_SECONDS
    rate = round(LOAD * most)
    profile = profile_of(folder, rate, SECONDS)
    with subprocess.Popen([sys.executable, "-c", CONTROL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as control:
        run = runs.run(str(LOCUSTFILE), url, "--load-profile", profile)
        control_ms, _ = control.communicate()
    # A page on which the first seconds of the rate are done: users, connections and code are warm.
    warm = next(at for at in range(len(run.pages)) if run.value("locust_arrivals_started_total", at) > WARM_SECONDS * rate)
    late = run.buckets("locust_arrival_lateness_seconds", warm)
    return {
        "rate": rate,
        "due": due_of(profile),
        "offered": run.value("locust_arrivals_offered_total"),
        "started": run.value("locust_arrivals_started_total"),
        "unsent": run.value("locust_arrivals_unsent_total"),
        "late_p99_ms": round((histogram.quantile(0.99, late) or 0.0) * 1000, 1),
        "control_p99_ms": round(float(control_ms), 1),
    }


def main() -> None:
    """Measure, print, save."""
    with runs.fast_target() as url, tempfile.TemporaryDirectory() as folder:
        measured = sorted((one_round(url, Path(folder)) for _ in range(ROUNDS)), key=lambda row: row["late_p99_ms"])
    rows = [{"run": name, **measured[at]} for name, at in (("best", 0), ("median", ROUNDS // 2), ("worst", -1))]
    table(rows)
    save("open_loop", rows)


if __name__ == "__main__":
    main()
