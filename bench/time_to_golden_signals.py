"""How long `firedrill up` takes to the first complete set of golden signals in Prometheus.

They are latency, traffic, errors and saturation of client and server. `firedrill up` itself
measures each start, from its first process on. Aim: 8 s, at most 10; Prometheus alone makes its
first scrape more than 5 s after its start. Run: `python -m bench.time_to_golden_signals`.
"""

from __future__ import annotations

import re
import signal
import statistics
import subprocess
import sys
import tempfile

from bench.result_tables import save, table

STARTS = 5


def seconds_to_golden_signals() -> float:
    """Start the stack once on an empty folder, read the time that it prints, and stop it."""
    command = [sys.executable, "-m", "firedrill", "up", "--out"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([*command, folder], stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stderr
        try:
            for line in process.stderr:
                match = re.search(r"golden signals after ([\d.]+) s", line)
                if match:
                    return float(match[1])
        finally:
            process.send_signal(signal.SIGINT)
    raise RuntimeError(
        f"firedrill up ended with exit code {process.returncode} before any golden signal"
    )


def main() -> None:
    """Measure, print, save."""
    seconds = [seconds_to_golden_signals() for _ in range(STARTS)]
    rows = [
        {
            "starts": STARTS,
            "median_s": statistics.median(seconds),
            "fastest_s": min(seconds),
            "slowest_s": max(seconds),
        }
    ]
    table(rows)
    save("time_to_golden_signals", rows)


if __name__ == "__main__":
    main()
