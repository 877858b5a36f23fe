"""The notification receiver as a process: it records notifications, refuses all else, ends in
order.
"""

import json
import re
import signal
import subprocess
import sys

import pytest
import requests

from firedrill.notifications.webhook_server import MAX_BODY_BYTES
from tests.alertmanager_message import ALERT, MESSAGE
from tests.waiting import PATIENCE_SECONDS, poll_until


class Receiver:
    def __init__(self, folder):
        self.out = folder / "kept.jsonl"
        self.log = folder / "log"
        command = [
            sys.executable,
            "-m",
            "firedrill.notifications",
            "--port",
            "0",
            "--out",
            str(self.out),
        ]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stderr=log)
        self.port = int(
            poll_until(
                self._port_told, lambda: f"the receiver to listen; it said {self.log.read_text()!r}"
            )
        )
        self.url = f"http://127.0.0.1:{self.port}"
        poll_until(self.is_healthy, "the receiver to answer")

    def _port_told(self):
        match = re.match(r"http://127\.0\.0\.1:(\d+)/notifications, ", self.log.read_text())
        return match and match[1]

    def is_healthy(self):
        try:
            return requests.get(f"{self.url}/healthz", timeout=PATIENCE_SECONDS).ok
        except requests.ConnectionError:
            return False

    def post(self, body, path="/page", **headers):
        return requests.post(
            f"{self.url}{path}",
            data=body,
            headers={"Content-Type": "application/json", **headers},
            timeout=PATIENCE_SECONDS,
        )

    def kept(self):
        return [json.loads(line) for line in self.out.read_text().splitlines()]


@pytest.fixture(scope="module")
def receiver(tmp_path_factory):
    started = Receiver(tmp_path_factory.mktemp("receiver"))
    yield started
    started.process.kill()
    started.process.wait()


def alert(name):
    """Return a message about an alert of this name."""
    return {**MESSAGE, "alerts": [{**ALERT, "labels": {**ALERT["labels"], "alertname": name}}]}


def test_an_accepted_notification_is_recorded_shown_and_listed(receiver):
    assert receiver.post(json.dumps(alert("Seen")), "/ticket").status_code == 200
    (kept,) = [
        notification for notification in receiver.kept() if notification["alertname"] == "Seen"
    ]
    assert (kept["receiver"], kept["status"], kept["severity"]) == ("ticket", "firing", "critical")
    assert (
        "ticket FIRING   Seen (api 127.0.0.1:9464): The API is down.\n" in receiver.log.read_text()
    )
    assert kept in requests.get(f"{receiver.url}/notifications", timeout=PATIENCE_SECONDS).json()


@pytest.mark.parametrize(
    ("body", "path", "status"),
    [
        (b"", "/page", 400),
        (b"{", "/page", 400),
        (b"\xff\xfe", "/page", 400),
        (b"[" * 100_000, "/page", 400),
        (b'{"version": "4"}', "/page", 400),
        (b'{"version": "4", "alerts": [{"status": "\x1b[31m"}]}', "/page", 400),
        (json.dumps(MESSAGE).encode(), "/nobody%1b", 404),
        (b" " * (MAX_BODY_BYTES + 1), "/page", 413),
        (iter([b"of unknown length"]), "/page", 413),
    ],
    ids=[
        "nothing",
        "half",
        "no text",
        "deep",
        "no alerts",
        "control characters",
        "nobody",
        "too long",
        "no length",
    ],
)
def test_anything_but_a_notification_is_refused_in_one_line(receiver, body, path, status):
    before = receiver.log.read_text()
    assert receiver.post(body, path).status_code == status
    (line,) = receiver.log.read_text().removeprefix(before).splitlines()
    assert line.startswith("refused POST ")
    assert f"({status})" in line
    assert line.isprintable()
    assert receiver.is_healthy()


def test_a_write_error_makes_alertmanager_retry(tmp_path):
    full = Receiver(tmp_path)
    full.out.unlink()
    full.out.mkdir()
    try:
        assert full.post(json.dumps(MESSAGE)).status_code == 507
        assert full.is_healthy()
    finally:
        full.process.kill()
        full.process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_receiver_ends_in_order_on_a_signal(number, tmp_path):
    receiver = Receiver(tmp_path)
    receiver.post(json.dumps(MESSAGE))
    receiver.process.send_signal(number)
    assert receiver.process.wait(PATIENCE_SECONDS) == 0
    assert len(receiver.kept()) == 1
    assert "Traceback" not in receiver.log.read_text()


def test_a_taken_port_is_one_line_and_exit_code_2(receiver, tmp_path):
    command = [
        sys.executable,
        "-m",
        "firedrill.notifications",
        "--port",
        str(receiver.port),
        "--out",
        str(tmp_path / "out"),
    ]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert (
        refused.stderr == f"firedrill.notifications: --host 127.0.0.1 --port {receiver.port} "
        f"--out {tmp_path / 'out'}: Address already in use\n"
    )


def test_a_web_page_cannot_post_a_notification(receiver):
    before = receiver.kept()
    assert receiver.post(b"{}", **{"Content-Type": "text/plain"}).status_code == 415
    assert receiver.post(b"{}", Origin="http://evil.example").status_code == 415
    assert receiver.kept() == before
