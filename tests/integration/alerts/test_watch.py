"""`firedrill alerts watch` beside `firedrill up` loads a saved rule file and nothing else."""

import time

import pytest
from click.testing import CliRunner

from firedrill.cli import main
from tests.integration.alerts.alerts_watch import watching
from tests.waiting import poll_until


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    with watching(tmp_path_factory.mktemp("watched")) as running:
        yield running


def test_a_saved_rule_is_loaded_and_a_broken_one_named(watched):
    for expected in ("1", "2"):
        watched.save(expected)
        watched.await_loaded(expected)
    watched.save("rate(")
    poll_until(
        lambda: "mine.yml:5: Mine: could not parse expression" in watched.output(),
        "the mistake to be said",
    )
    assert watched.loaded() == ['up{job="prometheus"} == 2'], "the old rules stay"
    targets = poll_until(lambda: watched.number('count(up{job="locust"})'), "Prometheus to answer")
    assert targets == 1, "the stack's own targets are scraped"


def test_an_edited_alert_starts_again(watched):
    watched.save("1")
    watched.await_loaded("1")
    old = poll_until(
        lambda: watched.number('ALERTS_FOR_STATE{alertname="Mine"}'), "the alert to be pending"
    )
    evaluated = 'timestamp(ALERTS_FOR_STATE{alertname="Mine"})'
    poll_until(
        lambda: (watched.number(evaluated) or 0) > old + 2, "the alert to be evaluated again"
    )
    time_of_edit = time.time()
    watched.save("bool 1", "2h")
    new = poll_until(
        lambda: (
            (since := watched.number('ALERTS_FOR_STATE{alertname="Mine"}'))
            and since != old
            and since
        ),
        "the alert to start again",
    )
    assert new >= int(time_of_edit)
    assert "mine.yml: Mine starts again" in watched.output()


def test_watch_needs_a_running_stack(tmp_path):
    done = CliRunner().invoke(main, ["alerts", "watch", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert f"{tmp_path / 'up'}: no `firedrill up` runs here" in done.stderr


def test_a_time_scale_beside_a_running_stack_is_refused(tmp_path):
    done = CliRunner().invoke(
        main, ["alerts", "watch", "--out", str(tmp_path), "--time-scale", "6"]
    )
    assert done.exit_code == 2
    assert "--time-scale: the stack that is up has one already" in done.stderr
