"""amtool accepts Alertmanager's configuration at each time scale and routes by severity."""

import re
import subprocess

import pytest
from ruamel.yaml import YAML

from firedrill import places
from firedrill.alerts.scaling.routing import scale_routing
from tests import required_programs

FILE = places.PROMETHEUS / "alertmanager.yml"
RULES = [
    rule
    for file in sorted(places.RULES.glob("*.yml"))
    for group in YAML(typ="safe").load(file)["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
KINDS = sorted({(rule["alert"], rule["labels"]["severity"]) for rule in RULES})
BY_SEVERITY = {"critical": "page", "warning": "ticket", "info": "log"}
EXCEPTIONS = {"LoadTestInvalid": "ticket"}


def amtool(*words):
    done = subprocess.run(
        [required_programs.require("amtool"), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("factor", [None, 1, 12, 1000])
def test_amtool_accepts_the_configuration(factor, tmp_path):
    file = FILE if factor is None else tmp_path / "scaled.yml"
    if factor:
        file.write_text(scale_routing(FILE.read_text(), factor, "http://127.0.0.1:9095/"))
    assert "SUCCESS" in amtool("check-config", file)


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_each_alert_goes_where_its_severity_says(kind):
    alert, severity = kind
    expected = EXCEPTIONS.get(alert, BY_SEVERITY[severity])
    routed = amtool(
        "config",
        "routes",
        "test",
        "--config.file",
        FILE,
        f"alertname={alert}",
        f"severity={severity}",
        "job=api",
    )
    assert routed.split() == [expected]


def test_an_alert_without_a_severity_is_a_ticket():
    assert amtool("config", "routes", "test", "--config.file", FILE, "alertname=Mine").split() == [
        "ticket"
    ]


def test_inhibition_names_only_alerts_that_exist():
    inhibited = YAML(typ="safe").load(FILE)["inhibit_rules"]
    matchers = [
        matcher
        for rule in inhibited
        for side in ("source_matchers", "target_matchers")
        for matcher in rule[side]
    ]
    names = [
        name
        for matcher in matchers
        if "alertname" in matcher
        for name in re.search(r'"(.*)"', matcher)[1].split("|")
    ]
    assert names
    assert [
        name for name in names if not any(re.fullmatch(name, alert) for alert, _ in KINDS)
    ] == []
