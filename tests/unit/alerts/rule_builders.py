"""Alerts and recording rules made without a rule file."""

from firedrill.alerts.rules.rule_file import Rule


def alert(name="Hot", expr="hot > 0", hold_ms=0, keep_ms=0, labels=None):
    return Rule(
        name=name,
        expr=expr,
        is_alert=True,
        place="f.yml:1",
        expr_place="f.yml:2",
        labels=labels or {},
        annotations={},
        hold_ms=hold_ms,
        keep_ms=keep_ms,
    )


def record(name, expr):
    return Rule(
        name=name,
        expr=expr,
        is_alert=False,
        place="",
        expr_place="",
        labels={},
        annotations={},
    )
