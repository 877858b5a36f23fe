"""Notifications are read from a webhook, kept in a file and shown as lines."""

import json
from dataclasses import replace

import pytest

from firedrill.drill.measure import recorded_notifications
from firedrill.errors import BadInput
from firedrill.notifications.journal import Journal, Tail
from firedrill.notifications.notification import from_webhook
from firedrill.record.run_document import RecordedNotification
from tests.alertmanager_message import ALERT, MESSAGE

DOWN = from_webhook(MESSAGE, "page", 1_000_000.0)[0]


def test_each_alert_of_a_message_is_a_notification():
    resolved = {**ALERT, "status": "resolved", "endsAt": "2026-01-31T13:00:01+01:00"}
    first, second = from_webhook({**MESSAGE, "alerts": [ALERT, resolved]}, "page", 1.0)
    assert (first.status, first.alertname, first.severity, first.summary) == (
        "firing",
        "ApiDown",
        "critical",
        "The API is down.",
    )
    assert (first.starts, first.ends) == (pytest.approx(1769860800.123, abs=0.001), None)
    assert (second.status, second.ends) == ("resolved", 1769860801.0)


@pytest.mark.parametrize(
    ("message", "mistake"),
    [
        ([], "expected a JSON object of version '4'"),
        ({**MESSAGE, "version": "5"}, "expected a JSON object of version '4'"),
        ({**MESSAGE, "alerts": None}, "alerts is a NoneType; expected a list"),
        ({**MESSAGE, "alerts": [ALERT, 3]}, "alerts[1].status is neither firing nor resolved"),
        (
            {**MESSAGE, "alerts": [{**ALERT, "labels": {"alertname": 3}}]},
            "alerts[0].labels is no JSON object of strings",
        ),
        (
            {**MESSAGE, "alerts": [{**ALERT, "annotations": None}]},
            "alerts[0].annotations is no JSON object of strings",
        ),
        ({**MESSAGE, "alerts": [{**ALERT, "startsAt": "soon"}]}, "alerts[0].startsAt is no time"),
        ({**MESSAGE, "alerts": [{**ALERT, "startsAt": 3}]}, "alerts[0].startsAt is no time"),
    ],
)
def test_a_malformed_webhook_message_is_named(message, mistake):
    with pytest.raises(BadInput) as caught:
        from_webhook(message, "page", 1.0)
    assert mistake in str(caught.value)


def test_a_line_names_receiver_and_alert():
    assert DOWN.line()[8:] == " page   FIRING   ApiDown (api 127.0.0.1:9464): The API is down."


def test_control_characters_of_an_alert_are_replaced():
    nasty = replace(DOWN, annotations={"summary": "a\x1b[31m\r\nb\u202ec\ud800"})
    assert nasty.line().endswith("a\ufffd[31m\ufffd\ufffdb\ufffdc\ufffd")


def test_a_journal_skips_a_partial_line(tmp_path):
    journal = Journal(tmp_path / "kept.jsonl")
    nasty = replace(DOWN, annotations={"summary": "a\nb\ud800"})
    journal.append([DOWN, nasty])
    with journal.file.open("a") as broken:
        broken.write('{"received": 3')
    assert journal.read() == [DOWN, nasty]
    assert [
        set(json.loads(line)) >= {"received", "receiver", "labels"}
        for line in journal.file.read_text().splitlines()[:2]
    ] == [
        True,
        True,
    ]


def test_a_journal_keeps_the_latest_within_its_size(tmp_path):
    journal = Journal(tmp_path / "kept.jsonl", max_bytes=2000)
    for second in range(100):
        journal.append([replace(DOWN, received=float(second))])
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2 * 2500
    times = [notification.received for notification in journal.read()]
    assert times == [float(second) for second in range(100 - len(times), 100)]
    assert len(times) > 5


def test_a_tail_reads_only_new_notifications(tmp_path):
    journal = Journal(tmp_path / "kept.jsonl", max_bytes=2000)
    assert Tail(tmp_path / "nothing").new() == []
    journal.append([DOWN])
    tail = Tail(journal.file)
    assert tail.new() == []
    for second in range(20):
        journal.append([replace(DOWN, received=float(second))])
        assert [notification.received for notification in tail.new()] == [second], (
            "also when the file has moved aside"
        )


def test_recorded_notifications_are_timed_from_the_load_start():
    entry, *more = recorded_notifications.record(
        [replace(DOWN, alertname="Watchdog"), DOWN], start=DOWN.received - 12
    )
    assert not more
    assert entry == RecordedNotification(
        after_seconds=12.0,
        receiver="page",
        status="firing",
        alertname="ApiDown",
        severity="critical",
        labels={"job": "api", "instance": "127.0.0.1:9464"},
        summary="The API is down.",
    )
