"""A message as Alertmanager sends it to a webhook."""

ALERT = {
    "status": "firing",
    "labels": {
        "alertname": "ApiDown",
        "severity": "critical",
        "job": "api",
        "instance": "127.0.0.1:9464",
    },
    "annotations": {"summary": "The API is down."},
    "startsAt": "2026-01-31T12:00:00.123456789Z",
    "endsAt": "0001-01-01T00:00:00Z",
}
MESSAGE = {"version": "4", "groupKey": '{}:{alertname="ApiDown"}', "alerts": [ALERT]}
