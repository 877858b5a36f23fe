"""A search for the capacity that is interrupted in its first trials."""

import json

import pytest

from firedrill.errors import ExitCode
from firedrill.record.run_folder import runs_in
from tests import firedrill_process, run_json
from tests.waiting import poll_until


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """Interrupt a search when its second trial begins; return (exit code, process)."""
    out = tmp_path_factory.mktemp("capacity")
    search = firedrill_process.start(
        out, "--slo", "p99=30s", "--no-report", "--json", command="capacity"
    )

    def has_begun_second_trial():
        line = search.process.stderr.readline()
        assert line, "the search ended too early"
        return "trial 2" in line

    poll_until(has_begun_second_trial, "the second trial")
    search.interrupt()
    code, output, _ = search.finish()
    return code, output, search


def test_an_interrupted_search_keeps_its_bracket(interrupted):
    code, output, search = interrupted
    content = run_json.content(search.run())
    assert json.loads(output) == content
    assert (code, content["verdict"]["status"]) == (ExitCode.INTERRUPTED, "INTERRUPTED")
    assert (content["kind"], content["capacity"]["ending"]) == ("capacity", "interrupted")
    first = content["capacity"]["trials"][0]
    assert (first["rate"], first["phase"]) == (10.0, "ramp")


def test_a_search_is_listed_as_a_run(interrupted):
    _, _, search = interrupted
    assert [run.read().title for run in runs_in(search.out)] == [
        "capacity with launch against waitress"
    ]
