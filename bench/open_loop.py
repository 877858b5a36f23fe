"""An open loop at four fifths of what its generator can do: is what was due sent, and how late?

One process, FastHttpUser, Poisson arrivals, a server that answers at once. The rate is 0.8 of what it sends when asked for 9,000 a second.
`due` is the drawn schedule, counted by itself; lateness is that of all arrivals after the first two seconds; `control` is how late a
process beside it wakes that sleeps for 2 ms at a time: the machine's own stalls. Five runs; the median is the one in the middle by
lateness. Aim: offered equals due, lateness under 10 ms at the 99th percentile. Run: `python -m bench.open_loop`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.loads import runs
from bench.tables import save, table
from firedrill import histogram
from firedrill.places import LOCUSTFILE, ROOT
from firedrill.profile import load_profile

ROUNDS, SECONDS = 5, 8

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

    return sum(1 for _ in schedule_of(load_profile(str(profile))))


def one_run(url: str, profile: Path, rate: int) -> dict[str, float]:
    """Figures of one run."""
    with subprocess.Popen([sys.executable, "-c", CONTROL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as control:
        run = runs.run(str(LOCUSTFILE), url, "--load-profile", profile)
        control_ms, _ = control.communicate()
    # A page on which two seconds of the rate are done: users, connections and code are warm.
    warm = next(at for at in range(len(run.pages)) if run.value("locust_arrivals_started_total", at) > 2 * rate)
    late = run.buckets("locust_arrival_lateness_seconds", warm)
    return {
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
        most = statistics.median(
            runs.run(str(LOCUSTFILE), url, "--load-profile", profile_of(Path(folder), 9000, 4)).requests for _ in range(3)
        )
        rate = round(0.8 * most / 4)
        profile = profile_of(Path(folder), rate, SECONDS)
        measured = sorted((one_run(url, profile, rate) for _ in range(ROUNDS)), key=lambda row: row["late_p99_ms"])
    rows = [{"run": name, "rate": rate, **measured[at]} for name, at in (("best", 0), ("median", ROUNDS // 2), ("worst", -1))]
    table(rows)
    save("open_loop", rows)


if __name__ == "__main__":
    main()
