"""A fault that is set on the composed stack fails requests, fires its alert and notifies."""

import subprocess

import pytest
import requests

from tests import firedrill_process
from tests.compose.composed import PATIENCE_SECONDS, answer, eventually
from tests.waiting import poll_until

WHOLE_TEST_SECONDS = 3600


def firedrill(*words):
    """Run the command line; return the finished process."""
    return subprocess.run(
        [firedrill_process.FIREDRILL, *words], capture_output=True, text=True, check=False
    )


def test_a_fault_fires_its_alert_and_notifies(stack):
    eventually(stack.prom, "sum(client:requests:rate10s) > 5", "the load")
    done = firedrill(
        "fault",
        "set",
        "errors=90%",
        "--for",
        f"{WHOLE_TEST_SECONDS}s",
        "--url",
        stack.url("API_METRICS_PORT"),
    )
    assert done.returncode == 0, done.stderr
    try:
        eventually(stack.prom, 'ALERTS{alertname="ApiErrorBudgetFastBurn", alertstate="firing"}')
        seen = "max(client:errors:ratio_rate10s) and on () sum(client:requests:rate10s) > 5"
        ratio = eventually(stack.prom, seen, "what the client sees of the fault")[0].value
        notifications = poll_until(
            lambda: notified(stack, "ApiErrorBudgetFastBurn"),
            "the notification",
            PATIENCE_SECONDS,
            every_seconds=0.5,
        )
        active = eventually(stack.prom, 'max(api_fault_active{fault="errors"})')[0].value
    finally:
        firedrill("fault", "clear", "--url", stack.url("API_METRICS_PORT"))
    assert ratio == pytest.approx(0.9, abs=0.1), "the client sees the injected share"
    assert (notifications[0]["receiver"], notifications[0]["status"]) == ("page", "firing")
    assert active == pytest.approx(0.9)
    poll_until(
        lambda: not answer(stack.prom, 'api_fault_active{fault="errors"} > 0'),
        "the fault to be over",
        PATIENCE_SECONDS,
    )


def test_the_firedrill_image_sets_faults(stack):
    done = stack.compose(
        "run", "--rm", "-T", "firedrill", "fault", "set", "latency=50ms", "--for", "1s"
    )
    assert done.returncode == 0, done.stderr
    assert "latency" in done.stdout


def notified(stack, alertname):
    """Return the notifications of an alert, oldest first."""
    listed = requests.get(
        f"{stack.url('NOTIFICATIONS_PORT')}/notifications", timeout=PATIENCE_SECONDS
    ).json()
    return [notification for notification in listed if notification["alertname"] == alertname]
