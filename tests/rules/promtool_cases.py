"""Cases for `promtool test rules`: groups of rules, the series that they read, and checks at their
evaluations.
"""

import json
import subprocess

from firedrill.alerts.rules import durations
from tests import required_programs

INTERVAL_MS = 10_000
EVALUATIONS = 24


def in_promql(labels, name):
    return f"{name}{{{', '.join(f'{key}={json.dumps(value)}' for key, value in labels)}}}"


def as_rule(one):
    if not one.is_alert:
        return {"record": one.name, "expr": one.expr, "labels": one.labels}
    lengths = {
        "for": durations.spelled(one.hold_ms),
        "keep_firing_for": durations.spelled(one.keep_ms),
    }
    return {"alert": one.name, "expr": one.expr, "labels": one.labels, **lengths}


def as_series(number, i, values):
    spelled = " ".join("stale" if value is None else repr(value) for value in values)
    return {"series": f'metric{{rule="{number}", i="{i}"}}', "values": spelled}


def promtool(folder, groups, series, checks):
    """What `promtool test rules` makes of some checks: exit code and text."""
    rules, cases_file = folder / "rules.yml", folder / "cases.yml"
    of_groups = [
        {"name": group.name, "limit": group.limit, "rules": list(map(as_rule, group.rules))}
        for group in groups
    ]
    rules.write_text(json.dumps({"groups": of_groups}))
    listed = [
        as_series(number, i, values)
        for number, found in series.items()
        for i, values in enumerate(found)
    ]
    test = {"interval": f"{INTERVAL_MS}ms", "input_series": listed, "promql_expr_test": checks}
    whole = {"rule_files": [str(rules)], "evaluation_interval": f"{INTERVAL_MS}ms", "tests": [test]}
    cases_file.write_text(
        json.dumps({**whole, "group_eval_order": [group.name for group in groups]})
    )
    done = subprocess.run(
        [required_programs.require("promtool"), "test", "rules", cases_file],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
