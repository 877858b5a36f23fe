"""docs/run.schema.json is the JSON Schema of the run.json that runs write."""

import json

from firedrill import docs
from firedrill.record.limits import SCHEMA
from firedrill.record.run_document import RunDocument
from tests import recorded_drills, run_json


def test_the_published_schema_is_generated():
    assert docs.RUN_SCHEMA.read_text() == docs.run_schema(), (
        "run `make docs` and commit docs/run.schema.json"
    )
    assert json.loads(docs.run_schema())["properties"]["schema"]["const"] == SCHEMA


def test_a_recorded_document_is_read_and_written_unchanged(tmp_path):
    for name in ("drill", "faulty"):
        recorded = run_json.content(recorded_drills.unpack(name, tmp_path))
        document = RunDocument.parse(recorded)
        recorded["figures"]["honesty"]["unobserved"] = []  # came after these drills
        assert document.content() == recorded
        assert (document.damaged, document.left_out) == ((), ())


def test_a_document_of_the_first_schema_is_read():
    """Such a document lacks the fields that came later."""
    document = RunDocument.parse(
        {
            "schema": 1,
            "id": "old",
            "verdict": {"status": "PASSED", "reasons": []},
            "figures": {"client": {"rate": 100.0}, "honesty": {"starved_max": 2.0}},
        }
    )
    assert (document.version, document.status) == (1, "PASSED")
    assert (document.figures.client.rate, document.figures.honesty.hung) == (100.0, None)
    assert (document.faults, document.notifications, document.damaged) == ((), None, ())
