"""The commands beside `run`: use one's own API, keep the stack up, list, prune and reopen runs."""

import json
import os
import re
import subprocess

from firedrill.processes import ports
from firedrill.prometheus.client import Prometheus
from tests import firedrill_process, required_programs, run_json, verdicts
from tests.integration.runs import locust_statistics
from tests.target_server import Target
from tests.waiting import poll_until


def test_a_foreign_api_and_a_foreign_locustfile_are_judged(tmp_path):
    required_programs.require("alertmanager")
    theirs = firedrill_process.LOCUSTFILES / "theirs.py"
    rules = tmp_path / "mine.yml"
    rules.write_text(
        "groups:\n  - name: mine\n    rules:\n      - {alert: MineAlways, expr: locust_users > 0}\n"
    )
    profile = firedrill_process.write_profile(
        tmp_path,
        users=4,
        seconds=15,
        slo=firedrill_process.PATIENT_SLO,
        alerts="{always: [MineAlways]}",
    )
    with Target() as target:
        with_password = target.url.replace("://", "://me:secret@")
        drill = firedrill_process.start(
            tmp_path / "runs",
            profile,
            "--target",
            with_password,
            "--locustfile",
            theirs,
            "--rules",
            rules,
        )
        code, output, errors = drill.finish()
    document = run_json.content(drill.run())
    figures = document["figures"]
    # Half of their requests fail, and nothing else is wrong.
    assert verdicts.status_and_reasons(code, document) == ("FAILED", ["errors"]), output + errors
    assert document["target"] == target.url
    assert document["generator"]["locustfile"]["name"] == "theirs.py"
    assert (
        "secret" not in f"{drill.run().json_file.read_text()}{drill.run().folder}{output}{errors}"
    )
    counts = figures["counts"]
    assert (
        counts["client_requests"],
        counts["client_failures"],
    ) == locust_statistics.request_totals(drill.run())
    assert 0 < counts["client_failures"] < counts["client_requests"]
    assert figures["server"]["rate"] is None
    assert figures["client"]["offered_rate"] is None, (
        "the think time of a foreign locustfile is unknown"
    )
    assert "MineAlways" in {
        alert["name"] for alert in figures["alerts"] if alert["firing_after_seconds"] is not None
    }
    assert ("ticket", "MineAlways") in {
        (notification["receiver"], notification["alertname"])
        for notification in document["notifications"]
    }


def test_up_prints_addresses_that_answer(tmp_path):
    required_programs.require("alertmanager")
    web = ports.any_free()
    drill = firedrill_process.start(tmp_path, "--profile", "smoke", "--web-port", web, command="up")
    errors = []
    for line in drill.process.stderr:
        errors.append(line)
        if "golden signals after" in line:
            break
    text = "".join(errors)
    assert re.search(r"golden signals after [\d.]+ s", text), text
    assert f"http://127.0.0.1:{web}" in text
    prom = Prometheus(f"http://127.0.0.1:{drill.ports['--prometheus-port']}")
    poll_until(lambda: prom.number("client:requests:rate10s"), "the rate that it measures")
    assert f"http://127.0.0.1:{drill.ports['--notifications-port']}/notifications" in text
    assert any("log    FIRING   Watchdog: Alerting works." in line for line in drill.process.stderr)
    drill.interrupt()
    code, _, _ = drill.finish()
    assert code == 0
    assert drill.leftovers() == []


def doctor(**environment):
    done = subprocess.run(
        [firedrill_process.FIREDRILL, "doctor", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    return done.returncode, {finding["name"]: finding for finding in json.loads(done.stdout)}


def test_the_doctor_says_how_to_get_what_is_missing(tmp_path):
    required_programs.require("prometheus")
    code, findings = doctor()
    assert code == 0
    assert findings["prometheus"]["found"]
    code, findings = doctor(PATH=str(tmp_path), FIREDRILL_TOOLS=str(tmp_path))
    assert code == 3
    assert not findings["prometheus"]["found"]
    assert "firedrill setup" in findings["prometheus"]["advice"]
