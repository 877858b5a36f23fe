"""The receiver of notifications as a process: what it records, what it refuses, and how it ends."""

import json
import signal
import subprocess
import sys

import pytest
import requests

from firedrill.notifications.server import MAX_BODY_BYTES
from firedrill.stack import ports
from tests.waiting import poll_until
from tests.webhook import ALERT, MESSAGE


class Receiver:
    def __init__(self, folder):
        self.out = folder / "kept.jsonl"
        self.log = folder / "log"
        self.port = ports.any_free()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "firedrill.notifications", "--port", str(self.port), "--out", str(self.out)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stderr=log)
        poll_until(self.is_healthy, "the receiver to answer")

    def is_healthy(self):
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).ok
        except requests.ConnectionError:
            return False

    def post(self, body, path="/page", **headers):
        return requests.post(f"{self.url}{path}", data=body, headers={"Content-Type": "application/json", **headers}, timeout=5)

    def kept(self):
        return [json.loads(line) for line in self.out.read_text().splitlines()]


@pytest.fixture(scope="module")
def receiver(tmp_path_factory):
    started = Receiver(tmp_path_factory.mktemp("receiver"))
    yield started
    started.process.kill()
    started.process.wait()


def alert(name):
    """A message about an alert of this name."""
    return {**MESSAGE, "alerts": [{**ALERT, "labels": {**ALERT["labels"], "alertname": name}}]}


def test_a_notification_is_on_disk_on_screen_and_on_the_page_once_it_is_accepted(receiver):
    assert receiver.post(json.dumps(alert("Seen")), "/ticket").status_code == 200
    (kept,) = [one for one in receiver.kept() if one["alertname"] == "Seen"]
    assert (kept["receiver"], kept["status"], kept["severity"]) == ("ticket", "firing", "critical")
    assert "ticket FIRING   Seen (api 127.0.0.1:9464): The API is down.\n" in receiver.log.read_text()
    assert kept in requests.get(f"{receiver.url}/notifications", timeout=5).json()


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
    ids=["nothing", "half", "no text", "deep", "no alerts", "control characters", "nobody", "too long", "no length"],
)
def test_what_is_no_notification_is_refused_in_a_line_and_the_receiver_goes_on(receiver, body, path, status):
    before = receiver.log.read_text()
    assert receiver.post(body, path).status_code == status
    (line,) = receiver.log.read_text().removeprefix(before).splitlines()
    assert line.startswith("refused POST ")
    assert f"({status})" in line
    assert line.isprintable()
    assert receiver.is_healthy()


def test_a_disk_that_takes_no_more_has_alertmanager_come_again(tmp_path):
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
def test_it_ends_when_told_to(number, tmp_path):
    receiver = Receiver(tmp_path)
    receiver.post(json.dumps(MESSAGE))
    receiver.process.send_signal(number)
    assert receiver.process.wait(timeout=10) == 0
    assert len(receiver.kept()) == 1
    assert "Traceback" not in receiver.log.read_text()


def test_a_port_that_is_taken_is_one_line_and_exit_code_2(receiver, tmp_path):
    command = [sys.executable, "-m", "firedrill.notifications", "--port", str(receiver.port), "--out", str(tmp_path / "out")]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert (
        refused.stderr
        == f"firedrill.notifications: --host 127.0.0.1 --port {receiver.port} --out {tmp_path / 'out'}: Address already in use\n"
    )


def test_no_page_in_a_browser_can_invent_a_notification(receiver):
    before = receiver.kept()
    assert receiver.post(b"{}", **{"Content-Type": "text/plain"}).status_code == 415
    assert receiver.post(b"{}", Origin="http://evil.example").status_code == 415
    assert receiver.kept() == before
