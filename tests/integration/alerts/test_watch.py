"""`firedrill alerts watch` beside `firedrill up`: a rule file that is saved is in force within two seconds, and nothing else changes."""

import shutil
import signal
import subprocess
import time

import pytest
import requests
from click.testing import CliRunner

from firedrill import places
from firedrill.cli import main
from firedrill.contract import LOOPBACK
from firedrill.prom import Prometheus
from tests import drilling
from tests.waiting import poll_until

RULES = (
    "groups:\n  - name: mine\n    interval: 1s\n    rules:\n      - {alert: Mine, expr: 'up{job=\"prometheus\"} == EXPECTED', for: HELD}\n"
)
SOON_SECONDS = 2.0
SAVES = ("1", "2", "3")
"""The quickest counts: a machine on which others work too lets a program wait now and then."""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder like the bundle's prometheus/."""
    return shutil.copytree(places.PROMETHEUS, tmp_path_factory.mktemp("edited") / "prometheus")


@pytest.fixture(scope="module")
def watched(tmp_path_factory, source):
    """(the stack's Prometheus, what the watcher says) while both run."""
    out, said = tmp_path_factory.mktemp("up"), tmp_path_factory.mktemp("said") / "said.txt"
    up = drilling.start(out, "--no-grafana", command="up")
    prom = Prometheus(f"http://{LOOPBACK}:{up.ports['--prometheus-port']}")
    watcher = None
    try:
        poll_until(lambda: (out / "up" / "stack.json").is_file() and prom.is_ready(), "the stack to be up", 30)
        # Else the watcher's own start, and a save's time, are those of the load generator and the API, which start as well.
        poll_until(lambda: prom.number('count(up{job=~"api|locust"} == 1)') == 2, "the API and Locust to have started", 40)
        with said.open("w") as file:
            watcher = subprocess.Popen([drilling.FIREDRILL, "alerts", "watch", "--source", source, "--out", out], stdout=file, stderr=file)
        poll_until(lambda: "is up to date" in said.read_text(), lambda: f"the watcher to begin; it said {said.read_text()!r}", 20)
        yield prom, said
    finally:
        if watcher:
            watcher.send_signal(signal.SIGINT)
            watcher.wait(10)
        up.interrupt()
        up.finish()


def loaded(prom):
    """Expressions of the alert that is edited, as Prometheus has them."""
    answer = requests.get(f"{prom.url}/api/v1/rules", timeout=5).json()
    return [rule["query"] for group in answer["data"]["groups"] for rule in group["rules"] if rule["name"] == "Mine"]


def save(source, expected, held="1h"):
    (source / "rules" / "mine.yml").write_text(RULES.replace("EXPECTED", expected).replace("HELD", held))


def seconds_to_force(prom, source, expected):
    """How long after it was saved a rule is in force."""
    save(source, expected)
    began = time.monotonic()
    poll_until(lambda: loaded(prom) == [f'up{{job="prometheus"}} == {expected}'], "the rule to be loaded", 15)
    return time.monotonic() - began


def test_what_is_saved_is_in_force_within_two_seconds_and_what_is_broken_is_named(watched, source):
    prom, said = watched
    assert any(seconds_to_force(prom, source, expected) < SOON_SECONDS for expected in SAVES)
    in_force = loaded(prom)
    save(source, "rate(")
    poll_until(lambda: "mine.yml:5: Mine: could not parse expression" in said.read_text(), "the mistake to be said", 10)
    assert loaded(prom) == in_force, "the old rules stay"
    assert prom.number('count(up{job="locust"})') == 1, "the stack's own targets are scraped"


def test_an_edited_alert_does_not_go_on_with_what_the_old_one_began(watched, source):
    prom, said = watched
    save(source, "1")
    old = poll_until(lambda: prom.number('ALERTS_FOR_STATE{alertname="Mine"}'), "the alert to be pending", 15)
    time_of_edit = poll_until(lambda: (now := time.time()) > old + 2 and now, "two seconds to pass", 10)
    save(source, "bool 1", "2h")
    new = poll_until(
        lambda: (since := prom.number('ALERTS_FOR_STATE{alertname="Mine"}')) and since != old and since, "the alert to begin anew", 15
    )
    assert new >= int(time_of_edit)
    assert "mine.yml: Mine begins anew" in said.read_text()


def test_where_nothing_is_up_it_says_so(tmp_path):
    done = CliRunner().invoke(main, ["alerts", "watch", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert f"{tmp_path / 'up'}: no `firedrill up` runs here" in done.stderr


def test_a_time_scale_that_the_stack_would_not_heed_is_refused(tmp_path):
    done = CliRunner().invoke(main, ["alerts", "watch", "--out", str(tmp_path), "--time-scale", "6"])
    assert done.exit_code == 2
    assert "--time-scale: the stack that is up has one already" in done.stderr
