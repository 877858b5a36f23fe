"""A damaged run.json shows its intact parts and names the missing ones."""

import copy
import json

import pytest

from firedrill.drill.show import run_list
from firedrill.errors import BadInput
from firedrill.record.run_folder import Run
from firedrill.report.pages import comparison_page, run_page, sentences
from firedrill.report.run_facts import Facts
from tests import run_json
from tests.unit.report.healthy_facts import content, facts_of

JUNK = (None, "much", -1, {}, [None])
STEP = {
    "index": 0,
    "start_seconds": 0.0,
    "end_seconds": 9.0,
    "users": 3,
    "client": {"rate": 5.0},
    "server": {},
}
ALERT = {
    "name": "A",
    "severity": "warning",
    "labels": {"job": "api"},
    "pending_after_seconds": 1.0,
    "firing_after_seconds": 2.0,
    "firing_seconds": 3.0,
}
RECORDS = {
    "figures.steps": "index",
    "figures.alerts": "name",
    "faults": "fault",
    "notifications": "after_seconds",
    "matrix.columns": "fault",
}
"""Lists of records, each with a key that a record cannot do without."""

WHOLE = {
    **content(figures={**content()["figures"], "steps": [STEP], "alerts": [ALERT]}),
    "faults": [{"fault": "latency", "size": 0.3, "start": 1.0, "end": 2.0}],
    "notifications": [
        {
            "after_seconds": 3.0,
            "receiver": "page",
            "status": "firing",
            "alertname": "A",
            "summary": "a",
        }
    ],
    "baseline": {"id": "before", "tolerance": 0.1},
    "matrix": {
        "columns": [
            {
                "fault": "latency",
                "cells": [{"alert": "A", "judgement": "detected", "delay_seconds": 1.0}],
            }
        ],
        "least": {"A": {"seconds": 1.0, "full_seconds": 2.0}},
    },
    "server": {"kind": "waitress", "threads": 4, "connection_limit": None},
}


def places(node, path=()):
    """Paths of all that is in a document."""
    yield path
    for name, value in (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    ):
        yield from places(value, (*path, name))


def damaged(path, junk):
    document = copy.deepcopy(WHOLE)
    at = document
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = junk
    return document


@pytest.mark.parametrize(
    "path", [path for path in places(WHOLE) if path], ids=lambda path: ".".join(map(str, path))
)
def test_a_missing_figure_is_no_error(path):
    for junk in JUNK:
        facts = facts_of(damaged(path, junk))
        assert "Nothing was recorded" in run_page.render_run(facts, None)
        assert sentences.step_load(facts, STEP)
        assert "2 runs side by side" in comparison_page.render_comparison(
            comparison_page.compared_runs([(facts, None), (facts_of(WHOLE), None)])
        )


@pytest.mark.parametrize("path", RECORDS)
def test_a_damaged_record_is_left_out_and_reported(path):
    assert facts_of(WHOLE).damage_warning is None
    assert len(facts_of(WHOLE).rows(path)) == 1
    facts = facts_of(damaged((*path.split("."), 0, RECORDS[path]), [None]))
    assert f"run.json is damaged: records of {path} are left out." in sentences.warnings(
        facts, None
    )


def test_a_run_that_cannot_be_read_hides_no_other(tmp_path):
    for name, text in (
        ("20260101-000000-whole", json.dumps(WHOLE)),
        ("20260101-000001-torn", "{"),
        ("20260101-000002-hollow", "{}"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    rows = run_list.rows([Run(folder) for folder in sorted(tmp_path.iterdir())])
    assert [row.status for row in rows] == ["PASSED", "DAMAGED", "DAMAGED"]


@pytest.mark.parametrize(
    "window", [{"start": 5}, {"start": "x", "end": 7}, {"start": 9, "end": 7}, {}]
)
def test_a_damaged_window_is_one_line(tmp_path, window):
    run = Run(tmp_path)
    run.snapshot.mkdir()
    run_json.write(run, {"window": window})
    with pytest.raises(BadInput, match=r"run\.json: window is|nothing was recorded"):
        run.recorded()


def test_an_infinite_number_is_no_figure(tmp_path):
    run = Run(tmp_path)
    run.json_file.write_text(
        f'{{"figures": {{"client": {{"rate": 1e999, "error_ratio": {"9" * 400}, '
        '"offered_rate": -2, "x": 2.5}}}'
    )
    client = run.read().figures.client
    assert (client.rate, client.error_ratio, client.offered_rate) == (None, None, -2)
    assert "Nothing was recorded" in run_page.render_run(Facts("run", run.read()), None)


def test_an_endlessly_nested_document_is_no_json(tmp_path):
    run = Run(tmp_path)
    run.json_file.write_text("[" * 100_000)
    with pytest.raises(BadInput, match="no JSON"):
        run.read()
