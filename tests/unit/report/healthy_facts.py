"""Facts of a recorded run, as a report reads them."""

import json
from dataclasses import asdict

from firedrill.report.run_facts import Facts
from tests.unit.healthy_run import HEALTHY, PROFILE


def facts(**changed):
    """Those of a healthy run, with these parts of its document changed."""
    figures = json.loads(json.dumps(asdict(HEALTHY)))
    document = {
        "schema": 2,
        "profile": asdict(PROFILE),
        "figures": figures,
        "verdict": {"status": "PASSED", "reasons": []},
    }
    return Facts("run", {**document, **changed})
