"""Prometheus prints a scaled expression as it prints the same expression scaled after printing."""

import pytest
import requests
from hypothesis import given, settings

from firedrill.alerts.scaling.shrink import Scaler
from firedrill.interrupt import Interrupt
from firedrill.prometheus.recorded_data import RecordedPrometheus
from tests import required_programs
from tests.rules.generated_promql import FACTORS, PHASES, expressions
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def printed():
    """Return an expression as Prometheus prints it: without comments, with durations in its
    spelling.
    """
    required_programs.require("prometheus")
    with (
        Interrupt() as interrupt,
        RecordedPrometheus(None, interrupt) as reopened,
        requests.Session() as session,
    ):

        def ask(text):
            answer = session.get(
                f"{reopened.prom.url}/api/v1/format_query",
                params={"query": text},
                timeout=PATIENCE_SECONDS,
            ).json()
            assert answer["status"] == "success", answer
            return answer["data"]

        yield ask


@settings(max_examples=60, phases=PHASES)
@given(expressions(), FACTORS)
def test_an_expression_prints_alike_scaled_before_or_after(printed, text, factor):
    # Twice on both sides: `Inf` is printed as `+Inf`, and that as `++Inf`.
    assert printed(printed(Scaler(factor).expression(text, ""))) == printed(
        Scaler(factor).expression(printed(text), "")
    )
