"""Rules that Prometheus cannot evaluate are named, and given ones fail the run."""

import pytest

from firedrill.drill.play.rule_health import RuleHealth


def look(health, file="user-0-mine.yml", name="A"):
    rule = {"name": name, "health": health, "lastError": "found duplicate series"}
    return [{"file": f"/rules/{file}", "rules": [rule]}]


@pytest.mark.parametrize(
    ("looks", "file", "fails", "remarks"),
    [
        (["err", "err", "err"], "user-0-mine.yml", 1, 0),
        (["unknown", "err"], "user-0-mine.yml", 1, 0),
        (["ok", "err", "err"], "user-0-mine.yml", 1, 0),
        (["ok", "ok", "err"], "user-0-mine.yml", 0, 1),
        (["err", "err"], "theirs.yml", 0, 1),
        (["ok", "unknown"], "user-0-mine.yml", 0, 0),
    ],
)
def test_a_given_rule_that_mostly_fails_is_against_the_run(looks, file, fails, remarks):
    rules = RuleHealth()
    for health in looks:
        rules.look(look(health, file))
    assert (len(rules.reasons()), len(rules.remarks())) == (fails, remarks)
    for reason in (*rules.reasons(), *rules.remarks()):
        assert "the rule A could not be evaluated" in reason.text
        assert "found duplicate series" in reason.text
