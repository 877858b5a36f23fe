"""A Locust worker without a share of the arrivals warns once a load."""

import subprocess
import sys

from firedrill.places import ROOT

# Run by a process of its own: Locust patches the one that imports it.
CODE = """
import sys
sys.path.append("load")
import locust
from desk import Desk
from shares import Share
from locust_exporter.arrivals import Arrivals
from firedrill.profile import load_profile

desk = Desk(load_profile("breakpoint"), Arrivals())
desk.assign(Share(0.0, 1.0, 0, 1))
desk.warn_without_share()
print("next")
desk.close()
desk.warn_without_share()
"""


def test_a_worker_warns_that_it_has_no_share_of_the_next_load():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("No share")) == (0, "next\n", 1), done.stderr
