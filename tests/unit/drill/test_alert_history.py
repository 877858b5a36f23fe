"""Pending and firing times of alerts are read from the samples of ALERTS."""

from math import nan

import pytest

from firedrill.drill.measure import alert_history
from firedrill.prometheus import remote
from firedrill.record.figures import Window

WINDOW = Window(1000, 1060)


def series(state, samples, name="A"):
    """Return an ALERTS series with samples at seconds after the load's start.

    A negative number marks the end of the series.
    """
    alerts = remote.series(
        {"__name__": "ALERTS", "alertname": name, "alertstate": state, "job": "api"}
    )
    for at in samples:
        alerts.samples.add(timestamp=round((1000 + abs(at)) * 1000), value=nan if at < 0 else 1)
    return alerts


def alerts_of(name="A", state="firing", *, samples):
    """The alert of such a series."""
    return alert_history.of_series([series(state, samples, name)], WINDOW)


@pytest.mark.parametrize("interval", [1, 15])
def test_an_alert_fires_from_its_first_sample_to_its_last(interval):
    (alert,) = alerts_of(samples=range(interval, 60, interval))
    assert (alert.firing_after_seconds, alert.firings) == (
        interval,
        ((interval, (59 // interval) * interval),),
    )


def test_an_alert_that_ended_and_came_back_fired_twice():
    (alert,) = alerts_of(samples=[1, 2, -3, 4, 5])
    assert (alert.firings, alert.firing_seconds, alert.labels) == (
        ((1, 2), (4, 5)),
        2,
        {"job": "api"},
    )


def test_a_firing_became_active_when_its_pending_state_began():
    held, fires = (
        series(state, samples)
        for state, samples in (("pending", [1, 2, -3, 5, 6, -7]), ("firing", [7, 8, -9, 20, 21]))
    )
    (alert,) = alert_history.of_series([held, fires], WINDOW)
    assert (alert.firings, alert.active_after_seconds) == (((7, 8), (20, 21)), (5, 20))


@pytest.mark.parametrize(
    ("samples", "is_pending"),
    [([40, 50], True), ([40, 55, -61], True), ([40, 50, -55], False), ([62], False)],
    ids=str,
)
def test_an_alert_may_be_pending_when_the_load_ends(samples, is_pending):
    (alert,) = alerts_of(state="pending", samples=samples)
    assert alert.pending_at_end is is_pending


def test_alerts_that_fire_after_the_load_do_not_count():
    assert alerts_of(samples=[61, 62]) == ()
    (alert,) = alerts_of(samples=[50, 62, -63, 64])
    assert alert.firings == ((50, 62),)
    held, fired = (
        series(state, samples)
        for state, samples in (("pending", [55, 60, -62]), ("firing", [62, 63]))
    )
    (late,) = alert_history.of_series([held, fired], WINDOW)
    assert (late.firing_after_seconds, late.firings, late.pending_at_end) == (None, (), True)


def test_earlier_alerts_and_the_watchdog_do_not_count():
    assert alerts_of(samples=[-1]) == alerts_of("Watchdog", samples=[1, 2]) == ()
