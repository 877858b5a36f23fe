"""A run fails whose answered requests look good, but which played less than it was asked for."""

from tests import firedrill_process, run_json

RULES = """\
groups:
- name: mine
  rules:
  - {alert: Mine, expr: 'up / on() up > 0', labels: {severity: critical}}
"""


def codes(reasons):
    return {reason["code"] for reason in reasons}


def test_a_load_that_was_not_asked_for_is_void(tmp_path):
    rules = tmp_path / "mine.yml"
    rules.write_text(RULES)
    file = firedrill_process.write_profile(tmp_path, users=5, seconds=40, alerts="{never: [Mine]}")
    drill = firedrill_process.start(
        tmp_path / "runs",
        file,
        "--locustfile",
        firedrill_process.LOCUSTFILES / "untrue.py",
        "--rules",
        rules,
    )
    code, output, _ = drill.finish()
    document = run_json.content(drill.run())
    assert (code, document["verdict"]["status"]) == (4, "INVALID"), output
    assert {
        "users_behind",
        "load_ended_early",
        "task_exceptions",
        "unmeasured_starved_users",
    } <= codes(document["verdict"]["reasons"])
    log = (drill.folder() / "locust.log").read_text()
    counted = document["figures"]["honesty"]["exceptions"]
    logged = log.count("KeyError: 'a mistake of mine'")
    assert 0 < counted <= logged <= counted + 1, "its only user may raise once while it is stopped"

    # The steps show what ran.
    assert [(step["users"], step["users_measured"]) for step in document["figures"]["steps"]] == [
        (5, 1)
    ]
    assert "1 (not 5)" in output

    # The alert could not have fired.
    assert {"own_shape", "alert_undecided"} <= codes(document["remarks"])
    assert (
        "Mine did not fire, but its rule could not be evaluated (found duplicate series"
        in " ".join(output.split())
    )
    assert [row["judgement"] for row in document["scorecard"] if row["alert"] == "Mine"] == [
        "undecided"
    ]
