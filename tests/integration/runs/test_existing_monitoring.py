"""A run beside a Prometheus that is there already, and the files that CI takes."""

from xml.etree import ElementTree as ET

import pytest

from firedrill.interrupt import Interrupt
from firedrill.prometheus.recorded_data import RecordedPrometheus
from tests import firedrill_process, required_programs
from tests.waiting import poll_until

PROFILE = f"""\
name: beside
steps: [{{start_time: 0s, users: 5}}]
duration: 8s
slo: {firedrill_process.PATIENT_SLO}
"""


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """A run that sent its samples to a Prometheus; the run, the Prometheus, the run's folder."""
    required_programs.require("prometheus")
    folder = tmp_path_factory.mktemp("beside")
    profile = folder / "beside.yaml"
    profile.write_text(PROFILE)
    with RecordedPrometheus(None, Interrupt()) as receiver:
        url = receiver.prom.url
        results = ("--junit", folder / "junit.xml", "--summary", folder / "summary.md")
        started = firedrill_process.start(
            folder / "runs",
            profile,
            "--remote-write",
            f"{url}/api/v1/write",
            "--prometheus",
            url,
            "--prometheus-query",
            "rate=vector(42)",
            "--history",
            folder / "history",
            *results,
        )
        code, _, errors = started.finish()
        run = started.run()
        assert code in {0, 4}, errors  # a machine that stands still makes a run INVALID
        yield run, receiver.prom, folder


def test_a_run_leaves_its_figures_where_they_are_wanted(beside):
    run, prom, folder = beside
    query = f'count(last_over_time({{run="{run.id}"}}[1h])) > 0'
    poll_until(lambda: prom.number(query), "samples of the run to arrive")
    document = run.read()
    assert document.figures.server.rate == 42
    assert any(remark.code == "existing_prometheus" for remark in document.remarks)
    suite = ET.parse(folder / "junit.xml").getroot().find("testsuite")
    assert suite.find("properties/property[@name='run']").get("value") == document.id
    assert run.id in (folder / "summary.md").read_text()
    assert [file.stem for file in (folder / "history").iterdir()] == [run.id]
