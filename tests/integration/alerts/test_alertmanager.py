"""A real Alertmanager with a drill's configuration notifies of causes, not of symptoms."""

import contextlib

import pytest
import requests

from firedrill.interrupt import Interrupt
from firedrill.notifications.journal import Journal
from firedrill.processes import ports
from firedrill.stack.plan import PORT_OPTIONS, Plan, Ports
from firedrill.stack.process_stack import ProcessStack
from tests import required_programs
from tests.waiting import PATIENCE_SECONDS, poll_until

API = {"job": "api", "instance": "a:9464"}
OTHER = {"job": "api", "instance": "b:9464"}
CLIENT = {"job": "locust", "instance": "c:9646"}

# The labels are those that the rules give.
CASES = {
    "an API that is down silences its symptoms on both sides, and nobody else's": (
        [
            ("ApiDown", "critical", API),
            ("ApiQueueWaitHigh", "critical", OTHER),
            ("LoadTestInvalid", "critical", CLIENT),
        ],
        [
            ("ApiDown", "critical", CLIENT),
            ("ApiQueueWaitHigh", "critical", API),
            ("ApiScrapeUnreliable", "warning", API),
            ("ApiConnectionLimitNear", "warning", {**API, "resource": "connections"}),
            ("ApiErrorBudgetFastBurn", "critical", {"job": "api"}),
            ("ApiErrorBudgetFastBurn", "critical", {"job": "locust"}),
            ("ApiErrorBudgetSlowBurn", "critical", {"job": "locust"}),
            ("ApiLatencyBudgetBurn", "critical", {"job": "locust"}),
            ("ApiLatencyP99High", "warning", {"job": "locust"}),
            ("ApiTrafficDrop", "warning", {"job": "api"}),
            ("ApiMemoryGrowing", "warning", API),
            ("ApiClientServerLatencyGap", "warning", {}),
            ("UsersStarved", "critical", CLIENT),
        ],
    ),
    "an API that only clients cannot reach may be short of a limit": (
        [
            ("ApiDown", "critical", CLIENT),
            ("ApiConnectionLimitNear", "warning", {**API, "resource": "connections"}),
        ],
        [
            ("ApiErrorBudgetFastBurn", "critical", {"job": "locust"}),
            ("UsersStarved", "critical", CLIENT),
        ],
    ),
    "the higher of two severities, and the faster of two burns, is told of": (
        [
            ("ApiListenBacklog", "critical", API),
            ("ApiListenBacklog", "warning", {**OTHER, "resource": "backlog"}),
            ("ApiErrorBudgetFastBurn", "critical", {"job": "api"}),
            ("ApiErrorBudgetSlowBurn", "critical", {"job": "locust"}),
            ("ApiLatencyBudgetBurn", "critical", {"job": "api"}),
        ],
        [
            ("ApiListenBacklog", "warning", {**API, "resource": "backlog"}),
            ("ApiErrorBudgetSlowBurn", "critical", {"job": "api"}),
            ("ApiErrorBudgetSlowBurn", "warning", {"job": "api"}),
            ("ApiErrorBudgetSlowBurn", "warning", {"job": "locust"}),
            ("ApiLatencyBudgetBurn", "warning", {"job": "api"}),
        ],
    ),
    "a load generator that is the bottleneck proves nothing by its clock": (
        [
            ("LoadTestInvalid", "critical", CLIENT),
            ("ApiLatencyBudgetBurn", "critical", {"job": "api"}),
            ("ApiErrorBudgetFastBurn", "critical", {"job": "locust"}),
        ],
        [
            ("ApiLatencyBudgetBurn", "critical", {"job": "locust"}),
            ("ApiTrafficDrop", "warning", {"job": "locust"}),
            ("ApiClientServerLatencyGap", "warning", {}),
            ("UsersStarved", "critical", CLIENT),
        ],
    ),
}


@pytest.fixture
def alerting(tmp_path):
    """Run Alertmanager and the receiver at a time scale at which groups wait a second.

    Nothing is repeated for eight minutes.
    """
    required_programs.require("alertmanager")
    plan = Plan(
        tmp_path,
        "test",
        Ports.choose({name: ports.any_free() for name in PORT_OPTIONS}),
        None,
        time_scale=30.0,
    )
    with Interrupt() as interrupt, ProcessStack(plan, interrupt) as stack:
        assert stack.start_alerting()
        poll_until(
            lambda: answers(f"http://127.0.0.1:{plan.ports.alertmanager}/-/ready"),
            "Alertmanager to be ready",
        )
        yield plan


def answers(url):
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(url, timeout=PATIENCE_SECONDS).ok


def post(plan, alerts):
    body = [
        {
            "labels": {"alertname": name, "severity": severity, **labels},
            "annotations": {"summary": name},
        }
        for name, severity, labels in alerts
    ]
    requests.post(
        f"http://127.0.0.1:{plan.ports.alertmanager}/api/v2/alerts",
        json=body,
        timeout=PATIENCE_SECONDS,
    ).raise_for_status()


def told(plan):
    """Return the alert, severity and labels of each notification, by receiver."""
    return {
        receiver: [
            (
                notification.alertname,
                notification.severity,
                {
                    name: value
                    for name, value in notification.labels.items()
                    if name not in {"alertname", "severity"}
                },
            )
            for notification in Journal(plan.notifications).read()
            if notification.receiver == receiver
        ]
        for receiver in ("page", "ticket", "log")
    }


def unordered(alerts):
    return sorted(alerts, key=repr)


@pytest.mark.parametrize("case", CASES)
def test_symptoms_of_a_known_cause_notify_nobody(case, alerting):
    heard, spared = CASES[case]
    post(alerting, spared + heard)
    poll_until(
        lambda: len(Journal(alerting.notifications).read()) >= len(heard), "the first notifications"
    )
    # Groups wait equally long: once this one, which began after all the others, is told, they have
    # had their turn.
    post(alerting, [("Afterwards", "info", {})])
    poll_until(lambda: told(alerting)["log"], "the last notification")
    notified = told(alerting)
    assert unordered(notified["page"] + notified["ticket"]) == unordered(heard)
    assert all(severity == "critical" for _, severity, _ in notified["page"])


def test_the_heartbeat_is_logged_and_pages_nobody(alerting):
    post(alerting, [("Watchdog", "info", {})])
    poll_until(lambda: told(alerting)["log"], "the heartbeat")
    assert told(alerting)["page"] == []
