"""A Locust worker that was assigned no arrivals warns once a load."""

import subprocess
import sys

from firedrill.places import ROOT

# Run by a process of its own: Locust patches the one that imports it.
CODE = """
import locust
from firedrill_load.open_loop.arrival_dispatcher import ArrivalDispatcher
from firedrill_load.open_loop.schedule_shards import Shard
from locust_exporter.counting.arrival_counts import ArrivalCounts
from firedrill.profile import load_profile

dispatcher = ArrivalDispatcher(load_profile("breakpoint"), ArrivalCounts())
dispatcher.add_shard(Shard(0.0, 1.0, 0, 1))
dispatcher.warn_without_shard()
print("next")
dispatcher.end_load()
dispatcher.warn_without_shard()
"""


def test_a_worker_warns_about_missing_arrivals_once_a_load():
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("No arrivals")) == (0, "next\n", 1), (
        done.stderr
    )
