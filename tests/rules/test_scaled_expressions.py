"""Time scaling shortens every duration of a generated expression, and changes nothing else."""

import subprocess

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from firedrill.alerts.rules import durations, expression, yaml_document
from firedrill.alerts.scaling.shrink import Scaler, scale_rules
from tests import required_programs
from tests.rules.generated_promql import COMMENT, FACTORS, PHASES, expressions, leaves

MANY_EXPRESSIONS = st.lists(expressions(), min_size=30, max_size=30)
"""Expressions for one rule file, so that a program is started once for many."""


def read(text):
    tree = expression.parse(text)
    assert tree is not None, text
    return tree


def are_the_same(some, others, **tolerance):
    """Return whether texts are equal, and numbers equal within the tolerance."""
    return all(
        actual == expected
        if isinstance(actual, str)
        else actual == pytest.approx(expected, **tolerance)
        for actual, expected in zip(some, others, strict=True)
    )


@settings(max_examples=150, phases=PHASES)
@given(expressions(), FACTORS)
def test_every_duration_is_divided_and_nothing_else_changes(text, factor):
    scaler, kept_longer = Scaler(factor), []

    def shrunk(length_ms, least_ms):
        wanted_ms = round(length_ms / factor)
        given_ms = max(wanted_ms, min(length_ms, least_ms))
        kept_longer.extend(
            [f"R: {durations.format_ms(length_ms)} is {durations.format_ms(given_ms)}"]
            * (given_ms > wanted_ms)
        )
        return given_ms

    scaled = scaler.expression(text, "R")
    expected = list(leaves(read(text), shrunk))  # Fills the list of what is kept longer.
    assert are_the_same(leaves(read(scaled)), expected, rel=1e-9)
    assert scaled.count(COMMENT) == text.count(COMMENT)
    reported = set()
    for message in scaler.clamped:
        _, wanted, _, given, *_ = message.split()
        spelled = durations.format_ms(durations.parse_ms(wanted))
        reported.add(f"R: {spelled} is {given.strip(',')}")
    assert reported == set(kept_longer), (
        "what could not become as short as asked is said, and nothing else"
    )


@settings(max_examples=60, phases=PHASES)
@given(expressions(), st.integers(2, 12), st.integers(2, 12))
def test_scaled_twice_is_scaled_by_the_product(text, first, second):
    once, twice, product = Scaler(first), Scaler(second), Scaler(first * second)
    in_two_steps = twice.expression(once.expression(text, ""), "")
    in_one = product.expression(text, "")
    assume(not (once.clamped or twice.clamped or product.clamped))
    # Each step rounds to a millisecond, and no window is shorter than four seconds.
    assert are_the_same(leaves(read(in_two_steps)), leaves(read(in_one)), rel=1e-3, abs=1)


def rule_file(listed):
    rules = [{"record": f"r{number}", "expr": text} for number, text in enumerate(listed)]
    return yaml_document.dump({"groups": [{"name": "g", "interval": "1m", "rules": rules}]})


@settings(max_examples=4, phases=PHASES)
@given(MANY_EXPRESSIONS)
def test_a_factor_of_one_is_the_file_itself(listed):
    text = rule_file(listed)
    assert scale_rules(text, 1).text == text


@settings(max_examples=4, phases=PHASES)
@given(MANY_EXPRESSIONS, FACTORS)
def test_promtool_accepts_every_expression_before_and_after_scaling(
    tmp_path_factory, listed, factor
):
    before, after = (
        tmp_path_factory.mktemp("scaled") / name for name in ("before.yml", "after.yml")
    )
    before.write_text(rule_file(listed))
    after.write_text(scale_rules(before.read_text(), factor).text)
    for file in (before, after):
        done = subprocess.run(
            [required_programs.require("promtool"), "check", "rules", file],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
