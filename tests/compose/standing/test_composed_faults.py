"""A fault in the composed stack: set on the metrics side, seen by the client, and somebody is told."""

import subprocess

import pytest
import requests

from tests import drilling
from tests.waiting import poll_until


def firedrill(*words):
    """Run the command line; returns the finished process."""
    return subprocess.run([drilling.FIREDRILL, *words], capture_output=True, text=True, check=False)


def test_a_fault_fires_its_alert_and_the_notification_arrives(stack):
    poll_until(lambda: stack.prom.number("sum(client:requests:rate10s) > 5"), "the load", 60, every_seconds=0.5)
    done = firedrill("fault", "set", "errors=60%", "--for", "2m", "--url", stack.url("API_METRICS_PORT"))
    assert done.returncode == 0, done.stderr
    try:
        alert = 'ALERTS{alertname="ApiErrorBudgetFastBurn", alertstate="firing"}'
        poll_until(lambda: stack.prom.instant(alert), "the alert", 90, every_seconds=0.5)
        seen = stack.prom.number("max(client:errors:ratio_rate10s)")
        told = poll_until(lambda: notified(stack, "ApiErrorBudgetFastBurn"), "the notification", 30, every_seconds=0.5)
    finally:
        firedrill("fault", "clear", "--url", stack.url("API_METRICS_PORT"))
    assert seen == pytest.approx(0.6, abs=0.1), "the client sees the injected share"
    assert (told[0]["receiver"], told[0]["status"]) == ("page", "firing")
    assert stack.prom.number('max(max_over_time(api_fault_active{fault="errors"}[2m]))') == pytest.approx(0.6)


def test_the_command_lines_own_image_sets_faults(stack):
    done = stack.compose("run", "--rm", "-T", "firedrill", "fault", "set", "latency=50ms", "--for", "1s")
    assert done.returncode == 0, done.stderr
    assert "latency" in done.stdout


def notified(stack, alertname):
    """Notifications of an alert, oldest first."""
    listed = requests.get(f"{stack.url('NOTIFICATIONS_PORT')}/notifications", timeout=5).json()
    return [each for each in listed if each["alertname"] == alertname]
