"""Whatever fails in the instrumentation, the application answers every request."""

import json
import os
import subprocess
import sys

from firedrill.places import ROOT
from tests.integration.api.failing_telemetry import FAILURES, REQUESTS
from tests.waiting import PATIENCE_SECONDS


def test_every_request_is_answered_although_telemetry_fails():
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FIREDRILL_", "OTEL_"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.api.failing_telemetry"],
        cwd=ROOT,
        env=clean,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    outcome = json.loads(done.stdout)
    assert outcome["right"] == dict.fromkeys(FAILURES, REQUESTS)
    consequences = [warning.partition(" (")[0] for warning in outcome["warnings"]]
    assert len(consequences) == len(set(consequences)), "each is said once"
    assert "firedrill: the interpreter is not sampled (no thread)" in outcome["warnings"]
