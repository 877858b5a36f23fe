"""Write the files of `promtool test rules` and run it: rules, input series and checks."""

import json
import subprocess

from firedrill.alerts.rules import durations
from tests import required_programs

INTERVAL_MS = 10_000
EVALUATIONS = 24


def in_promql(labels, name):
    """Return a series as PromQL writes it."""
    return f"{name}{{{', '.join(f'{key}={json.dumps(value)}' for key, value in labels)}}}"


def as_rule(rule):
    """Return a rule as a rule file has it."""
    if not rule.is_alert:
        return {"record": rule.name, "expr": rule.expr, "labels": rule.labels}
    lengths = {
        "for": durations.format_ms(rule.hold_ms),
        "keep_firing_for": durations.format_ms(rule.keep_ms),
    }
    return {"alert": rule.name, "expr": rule.expr, "labels": rule.labels, **lengths}


def as_series(number, i, values):
    """Return an input series; None is where it is stale."""
    spelled = " ".join("stale" if value is None else repr(value) for value in values)
    return {"series": f'metric{{rule="{number}", i="{i}"}}', "values": spelled}


def run_cases(folder, groups, series, checks):
    """Run `promtool test rules` with these checks; return its exit code and text."""
    rules_file, cases_file = folder / "rules.yml", folder / "cases.yml"
    written_groups = [
        {"name": group.name, "limit": group.limit, "rules": list(map(as_rule, group.rules))}
        for group in groups
    ]
    rules_file.write_text(json.dumps({"groups": written_groups}))
    input_series = [
        as_series(number, i, values)
        for number, histories in series.items()
        for i, values in enumerate(histories)
    ]
    test = {
        "interval": f"{INTERVAL_MS}ms",
        "input_series": input_series,
        "promql_expr_test": checks,
    }
    whole = {
        "rule_files": [str(rules_file)],
        "evaluation_interval": f"{INTERVAL_MS}ms",
        "tests": [test],
    }
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
