"""Names of compared runs are shortened to their differences."""

from pathlib import Path

import pytest

from firedrill.drill.play.request import Request
from firedrill.prometheus import overlay
from firedrill.record.run_document import RunDocument
from firedrill.report.pages import comparison_page
from firedrill.report.run_facts import Facts
from firedrill.stack.plan import Server
from tests.unit.healthy_run import PROFILE

DRILL = (
    "20261124-153034-launch-dev",
    "20261124-153126-launch-waitress",
    "20261124-153459-launch-waitress-threads-64",
)


@pytest.mark.parametrize(
    ("ids", "short"),
    [
        (DRILL, ["153034-dev", "153126-waitress", "153459-waitress-threads-64"]),
        (DRILL[:1], ["20261124"]),
        (("a-b", "a"), ["b", "a"]),
        (("x-a-b", "x-b-a"), ["x-a-b", "x-b-a"]),
    ],
    ids=[
        "what all have is dropped",
        "one alone keeps its first part",
        "so does one without any of its own",
        "alike in all parts: whole",
    ],
)
def test_overlaid_runs_are_named_by_their_ids(ids, short):
    assert overlay.labels(ids) == short


def titles(*documents):
    return [
        side.title
        for side in comparison_page.compared_runs(
            [
                (Facts(str(at), RunDocument.parse(document)), None)
                for at, document in enumerate(documents)
            ]
        )
    ]


def waitress(started="2026-11-24T15:31:26+00:00", **tuned):
    return {
        "server": {"kind": "waitress", "threads": None, "connection_limit": None, **tuned},
        "started": started,
    }


def test_compared_runs_are_named_by_their_servers():
    assert titles({"server": {"kind": "dev"}}, waitress()) == [
        "A: Flask's development server",
        "B: waitress",
    ]
    assert titles(waitress(threads=4), waitress(threads=64)) == ["A: 4 threads", "B: 64 threads"]


def test_runs_of_one_server_are_named_by_their_start():
    assert titles(waitress(), waitress(started="2026-11-24T16:02:03+00:00")) == [
        "A: 15:31:26",
        "B: 16:02:03",
    ]
    assert titles(waitress(), waitress(started="2026-11-25T15:31:26+00:00")) == [
        "A: 24 November",
        "B: 25 November",
    ]
    assert titles(waitress(started=None), waitress(started=None)) == [
        "A: at an unknown time",
        "B: at an unknown time",
    ]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:se@cret@10.0.0.7:80/a", "http://10.0.0.7:80/a"),
        ("https://token@api.example", "https://api.example"),
        ("http://api.example/users/me@home?to=a@b", "http://api.example/users/me@home?to=a@b"),
        ("the running stack", "the running stack"),
    ],
)
def test_a_target_is_named_without_its_password(url, shown):
    request = Request(
        profile=PROFILE, source="launch", out=Path("runs"), server=Server(), target=url
    )
    assert request.shown_target == shown
    assert request.title == f"launch {shown.rpartition('://')[2]}"
    assert request.target == url, "requests still use it"
