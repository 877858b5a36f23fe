"""Servers of several processes: every answer is counted once, whatever becomes of its process."""

import signal
from pathlib import Path

import psutil
import pytest

from tests.integration.api.served_application import serving
from tests.waiting import poll_until

GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{port}", "--no-control-socket", "served:app")
UWSGI = ("uwsgi", "--http-socket", "127.0.0.1:{port}", "-w", "served:app", "-p", "2", "--master")
SERVERS = {
    "gunicorn sync": (*GUNICORN, "-k", "sync", "-w", "4"),
    "gunicorn gthread, preloaded": (*GUNICORN, "-k", "gthread", "-w", "2", "--preload"),
    "gunicorn gevent": (*GUNICORN, "-k", "gevent", "-w", "4"),
    "gunicorn that recycles its only worker": (*GUNICORN, "--max-requests", "50"),
    "uWSGI": UWSGI,
    "uWSGI, lazy": (*UWSGI, "--lazy-apps"),
}
ACTIVE = "http_server_active_requests"


@pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS)
def test_every_answer_is_counted_once(command, tmp_path):
    with serving(tmp_path, command) as served:
        served.send(200)
        served.await_counts()
        assert served.answers == {200: 200}
        metrics = served.scrape()
        assert metrics.total("http_server_all_request_duration_seconds_count") == 200
        assert metrics.total(ACTIVE) == 0
        assert metrics.value("api_build_info", version="unknown") == 1
        poll_until(lambda: len(served.endpoints()) == 1, "the only endpoint to remain")
    poll_until(lambda: not served.endpoints(), "the endpoint to end with its application")
    assert "firedrill" not in served.log.read_text(), "nothing is printed"


def test_counts_survive_reloads_kills_and_a_lost_endpoint(tmp_path):
    with serving(tmp_path, (*GUNICORN, "-k", "gthread", "-w", "2")) as served:
        send_and_count(served)
        for _ in range(2):
            before = {worker.pid for worker in served.workers()}
            served.process.send_signal(signal.SIGHUP)
            poll_until(lambda: replaced(served, before), "new workers")  # noqa: B023 -- awaited
            send_and_count(served)
        killed = served.workers()[0]
        killed.kill()
        poll_until(lambda: killed not in served.workers(), "the worker to end")
        send_and_count(served)
        poll_until(lambda: all(map(keeps_counts, served.workers())), "all to keep the counts")
        poll_until(lambda: served.scrape().total("api_processes") == 2, "the ended one to be noted")
        (endpoint,) = served.endpoints()
        endpoint.kill()
        send_and_count(served)  # with the counts of four workers that have ended
        (body,) = served.send(1, clients=1, path="/fork")
        child = psutil.Process(int(body))
        workers = served.workers()
        served.process.kill()
        for worker in workers:
            worker.kill()
        poll_until(lambda: not served.endpoints(), "the endpoint to end, although a fork runs")
        assert child.is_running()
    assert set(served.answers) == {200}


def send_and_count(served):
    served.send(40)
    served.await_counts()


def keeps_counts(worker):
    """Whether a worker holds the memory of ended processes, beside its own."""
    held = [entry for entry in Path(f"/proc/{worker.pid}/fd").iterdir() if is_memory(entry)]
    return len({entry.stat().st_ino for entry in held}) == 2


def is_memory(entry):
    try:
        return "firedrill-cells" in str(entry.readlink())
    except FileNotFoundError:
        return False  # closed since it was listed


def replaced(served, before):
    now = {worker.pid for worker in served.workers()}
    return len(now) == 2 and not now & before
