"""Causes of a recorded run are its faults, or the steps that broke the SLO."""

from dataclasses import replace

from firedrill.alerts.backtest import causes
from firedrill.alerts.backtest.causes import Cause
from firedrill.profile import Slo
from firedrill.record.figures import StepFigures, Window
from firedrill.record.run_document import InjectedFault
from tests.unit.healthy_run import HEALTHY, PROFILE, run_document


def run(faults, slower):
    client = replace(HEALTHY.client, slower_than_slo={"p99": slower}, error_ratio=0.0)
    step = StepFigures(
        index=1,
        start_seconds=5,
        end_seconds=10,
        users=9,
        client=client,
        server=HEALTHY.server,
    )
    return run_document(
        window=Window(100.0, 110.0),
        faults=tuple(faults),
        profile=replace(PROFILE, slo=Slo(error_ratio=0.01)),
        figures=replace(HEALTHY, steps=(step,)),
    )


def test_causes_are_faults_or_steps_that_broke_the_slo():
    fault = InjectedFault("errors", 0.2, 103.0, 104.0)
    assert causes.from_run(run([fault], 0.5)) == (Cause("errors 20 %", 103.0, 104.0),)
    assert causes.from_run(run([], 0.5)) == (Cause("step 1: 9 users", 105.0, 110.0),)
    assert causes.from_run(run([], 0.01)) == ()
