"""Facts of a recorded run, as a report reads them."""

import json
from dataclasses import asdict, is_dataclass

from firedrill.record.run_document import RunDocument
from firedrill.report.run_facts import Facts
from tests.unit.healthy_run import HEALTHY, PROFILE


def content(**changed):
    """Return the run.json of a healthy run as plain JSON, with these parts changed."""
    figures = json.loads(json.dumps(asdict(HEALTHY)))
    document = {
        "schema": 2,
        "profile": asdict(PROFILE),
        "figures": figures,
        "verdict": {"status": "PASSED", "reasons": []},
    }
    plain = {
        name: asdict(value) if is_dataclass(value) else value for name, value in changed.items()
    }
    return {**document, **plain}


def facts(**changed):
    """Return the facts of a healthy run, with these parts of its run.json changed."""
    return facts_of(content(**changed))


def facts_of(document):
    """Return the facts of a run.json, given as plain JSON."""
    matrix = document.get("matrix")
    return Facts("run", RunDocument.parse(document), matrix if isinstance(matrix, dict) else {})
