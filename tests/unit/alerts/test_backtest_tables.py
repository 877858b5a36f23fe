"""The tables of a backtest fit a terminal of 80 columns."""

from dataclasses import replace

import pytest

from firedrill.alerts.backtest import tables
from firedrill.alerts.backtest.attribution import Detection
from firedrill.alerts.backtest.causes import Cause
from firedrill.alerts.backtest.results import AlertResult, Report, Trial
from tests.unit.printing import printed

SLOW = Cause("latency 300 ms", 10, 20)
MET, MISSED, UNDECIDED = (
    Detection("a", 12.3),
    Detection("b", None),
    Detection("c", None, undecided=True),
)


def report(*trials, causes=(SLOW,), detections=()):
    """Return the report of a backtest of one alert."""
    alert = AlertResult(
        name="ApiErrorBudgetFastBurn",
        severity="critical",
        place="f.yml:1",
        evaluations=60,
        ambiguous_evaluations=3,
        failed_evaluations=1,
        hold_seconds=5.0,
        window_seconds=0.0,
        fired=(),
        detections=detections,
        false_fires=0,
        sweep=trials,
    )
    return Report(run="20260102-run", stretch=1, causes=causes, load_seconds=60.0, alerts=[alert])


@pytest.mark.parametrize(
    ("trial", "cell"),
    [
        (
            Trial(
                hold_seconds=5,
                threshold=None,
                detections=(MET, MISSED),
                false_fires=0,
                fired_before=0,
            ),
            "12 s 1/2",
        ),
        (
            Trial(
                hold_seconds=5, threshold=None, detections=(MISSED,), false_fires=2, fired_before=0
            ),
            "– 0/1 +2",
        ),
        (
            Trial(
                hold_seconds=5,
                threshold=None,
                detections=(UNDECIDED,),
                false_fires=0,
                fired_before=1,
            ),
            "undecided 0/1 1 before",
        ),
        (
            Trial(
                hold_seconds=5,
                threshold=None,
                detections=(MET, UNDECIDED),
                false_fires=1,
                fired_before=0,
            ),
            "12 s 1/2, 1 undecided +1",
        ),
    ],
)
def test_a_setting_active_before_its_cause_did_not_miss_it(trial, cell):
    assert (
        printed(tables.render(report(trial))).splitlines()[-2].split(maxsplit=1)[1].strip() == cell
    )


def test_a_sweep_of_many_settings_shows_the_numbers_of_all():
    holds = [number / 10 for number in range(100)]
    output = printed(
        tables.render(
            report(
                *(
                    Trial(
                        hold_seconds=hold,
                        threshold=0.5,
                        detections=(MET,),
                        false_fires=0,
                        fired_before=0,
                    )
                    for hold in holds
                )
            )
        )
    )
    assert output.count("12 s 1/1") == len(holds)
    assert "…" not in output
    assert max(map(len, output.splitlines())) <= 80
    assert max(map(len, output.splitlines())) > 60, "no room is wasted"


def test_long_names_leave_room_for_every_delay():
    causes = tuple(Cause(f"latency {number} ms", number, number + 1) for number in range(9))
    met = tuple(Detection(cause.name, 12.3, began=cause.start) for cause in causes)
    output = printed(tables.render(report(causes=causes, detections=met)))
    assert output.count("12 s") == len(causes)
    assert [f"{number} ms" in output for number in range(9)] == [True] * 9
    assert "…" not in output


def test_an_alert_without_for_has_a_dash():
    shown = report()
    shown.alerts[0] = replace(shown.alerts[0], hold_seconds=0.0)
    assert " 0 ms" not in printed(tables.render(shown), 80)


def test_long_names_are_folded_so_that_one_table_fits():
    shown = report(causes=(SLOW, Cause("errors 90 %", 30, 40)))
    shown.alerts[0] = replace(shown.alerts[0], name="AnAlert" * 6)
    text = printed(tables.render(shown), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("evalu-") == 1
    assert sum("alert" in line.split() for line in text.splitlines()) == 1
