"""Locust's histograms have a bound at each objective of the profile, whichever file is loaded."""

import subprocess
import sys

import pytest

from firedrill import places
from tests import firedrill_process

BOUNDS_AFTER_LOADING = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("locustfile", sys.argv[3])
spec.loader.exec_module(importlib.util.module_from_spec(spec))
from firedrill.contract import LATENCY_BOUNDS_SECONDS
print(0.31 in LATENCY_BOUNDS_SECONDS)
"""


@pytest.mark.parametrize("file", [places.LOCUST_PLUGIN], ids=lambda file: file.name)
def test_an_unusual_objective_is_a_bound(file, tmp_path):
    profile = firedrill_process.write_profile(tmp_path, users=1, seconds=5, slo="{p99: 310ms}")
    words = [sys.executable, "-c", BOUNDS_AFTER_LOADING, "--load-profile", profile, file]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
