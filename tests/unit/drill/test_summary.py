"""The summary of a run is readable at the terminal."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from firedrill.cli.console import OUTPUT
from firedrill.drill.play.progress import Panels
from firedrill.drill.show import run_list, run_summary
from firedrill.record.figures import Alert, Arrivals, Window
from firedrill.record.outcome import Reason, Status, Verdict
from firedrill.record.run_document import InjectedFault, RecordedNotification, ServerSetup
from firedrill.record.run_folder import Run
from tests import recorded_drills
from tests.unit.healthy_run import HEALTHY, PROFILE, run_document
from tests.unit.printing import printed

SERVERS = (
    ServerSetup("dev"),
    ServerSetup("waitress"),
    ServerSetup("waitress", threads=64, connection_limit=1000),
)


def document(server=SERVERS[0], *, alerts=(), verdict=None, figures=HEALTHY, **changed):
    """Return a run with these parts changed."""
    return run_document(
        server=server,
        verdict=verdict or Verdict(Status.PASSED, ()),
        figures=figures and replace(figures, alerts=tuple(alerts)),
        **changed,
    )


def alert(name, severity="critical", after=3.0, **labels):
    return Alert(
        name=name,
        severity=severity,
        labels=labels,
        pending_after_seconds=1.0,
        firing_after_seconds=after,
        firing_seconds=9.0,
    )


def test_three_runs_fit_side_by_side_in_80_columns():
    text = printed(run_summary.side_by_side([document(server) for server in SERVERS]))
    assert "…" not in text, "nothing is cut off"
    assert text.count("60 / 95 / 100 ms") == 12
    assert text.count("PASSED") == 3


@pytest.mark.parametrize("width", [80, 60])
@pytest.mark.parametrize("name", ["drill", "faulty"])
def test_a_recorded_run_is_readable_in_a_narrow_terminal(tmp_path, name, width):
    run = recorded_drills.unpack(name, tmp_path)
    for content in (
        run_summary.of_run(run),
        run_summary.side_by_side([run.read()] * 3),
        run_list.listing(run_list.rows([run] * 3)),
    ):
        lines = printed(content, width).splitlines()
        assert max(map(len, lines)) <= width
        assert "…" not in "".join(lines), "nothing is cut off"


def test_rows_that_no_run_fills_are_left_out():
    text = printed(run_summary.side_by_side([document(), document(SERVERS[1])]))
    assert "backlog at end" not in text
    assert "from schedule" not in text
    assert "handler alone" in text


def test_runs_that_do_not_fit_are_shown_below():
    text = printed(run_summary.side_by_side([document(server) for server in SERVERS]), 60)
    assert text.count("handler alone") == 2


def test_run_ids_are_shortened_to_what_is_unambiguous():
    ids = ["20260101-000000-launch-dev", "20260101-000000-launch-waitress", "20260102-000000-a"]
    assert run_list.unambiguous(ids) == [
        "20260101-000000-launch-d",
        "20260101-000000-launch-w",
        "20260102-000000",
    ]


def test_lower_bounds_of_percentiles_are_marked_and_fit():
    client = replace(
        HEALTHY.client,
        latency_including_waiting_seconds={"p50": 0.59, "p95": 0.92, "p99": 50.0},
        at_least=("p99",),
    )
    hung = document(
        SERVERS[1],
        figures=replace(
            HEALTHY,
            client=client,
            arrivals=Arrivals(
                offered=1000, started=990, unsent=0, lateness_p99_seconds=0.1, left=10
            ),
        ),
    )
    text = printed(run_summary.side_by_side([document(SERVERS[0]), hung, document(SERVERS[2])]))
    assert "590 / 920 ms / >50 s" in text
    assert re.search(r"backlog at end +– +10 +–", text)


def test_an_alert_is_listed_once_with_its_first_time():
    burns = [
        alert("Burn", after=9.0, window="1h"),
        alert("Burn", after=5.0, window="6h"),
        alert("Burn", "warning", 7.0),
    ]
    text = printed(run_summary.side_by_side([document(alerts=[*burns, alert("Down", after=2.0)])]))
    assert "alerts that fired: Down, Burn\n" in text


def test_a_failed_run_says_why():
    verdict = Verdict(Status.FAILED, (Reason("starved_users", "102 users got no answer"),))
    text = printed(run_summary.side_by_side([document(verdict=verdict)]))
    assert " FAILED " in text
    assert "• 102 users got no answer" in text


def test_a_run_without_figures_shows_none():
    text = printed(
        run_summary.side_by_side(
            [
                document(
                    figures=None,
                    verdict=Verdict(Status.INVALID, (Reason("no_requests", "nothing"),)),
                )
            ]
        )
    )
    assert "handler alone" not in text


def notification(receiver, after, status="firing", summary="The API is down."):
    return RecordedNotification(
        after_seconds=after,
        receiver=receiver,
        status=status,
        alertname="ApiDown",
        severity="critical",
        labels={},
        summary=summary,
    )


def summary_of(folder, **more):
    run = Run(folder)
    run.write(document(**more))
    return printed(run_summary.of_run(run))


def test_a_run_lists_its_notifications_with_their_times(tmp_path):
    again = [
        notification("page", 12.2),
        notification("page", 37.0),
        notification("page", 61.0, "resolved"),
        notification("page", 70.0),
    ]
    text = summary_of(
        tmp_path, notifications=(notification("log", 2.0, summary="steer\x1b[31m"), *again)
    )
    assert text.split("Notifications\n")[1].split("\n\n")[0].splitlines() == [
        " • log after 2.0 s: ApiDown: steer\ufffd[31m",
        " • page after 12 s: ApiDown: The API is down.",
        " • page after 61 s: ApiDown resolved",
        " • page after 70 s: ApiDown: The API is down.",
    ]
    assert "No notifications" in summary_of(tmp_path, notifications=())


def test_a_run_without_a_receiver_claims_nothing_about_notifications(tmp_path):
    remark = Reason("alertmanager_missing", "there is no Alertmanager")
    text = summary_of(tmp_path, notifications=None, remarks=(remark,))
    assert "otifications" not in text
    assert " • there is no Alertmanager" in text
    assert "otifications" not in summary_of(tmp_path), "a run of a time before there were any"


@pytest.mark.parametrize(
    ("server", "name"),
    list(
        zip(
            SERVERS,
            ("Flask's development server", "waitress", "waitress, 64 threads, 1000 connections"),
            strict=True,
        )
    ),
)
def test_servers_have_readable_names(server, name):
    assert document(server).served_by == name


def test_injected_faults_are_listed_with_their_times(tmp_path):
    latency = InjectedFault("latency", 0.3, 1012.0, 1024.0)
    stop = InjectedFault("stop", 1.0, 1030.0, 1035.5)
    text = summary_of(tmp_path, faults=(latency, stop), window=Window(1000.0, 1060.0))
    assert (
        "Injected faults\n • latency 300 ms after 12 s, for 12 s\n • stop after 30 s, for 5.5 s\n"
        in text
    )


def test_square_brackets_in_names_are_text():
    named = document(None, profile=replace(PROFILE, name="a [/b] c"), target="http://[fe80::1]:80")
    with OUTPUT.capture() as captured:
        OUTPUT.print(run_summary.side_by_side([named]))
    assert captured.get().count("http://[fe80::1]:80") == 2
    assert "a [/b] c against" in captured.get()


def test_square_brackets_in_a_run_list_are_text(tmp_path):
    run = Run(tmp_path / "20261124-000000-a")
    run.folder.mkdir()
    run.write(document(profile=replace(PROFILE, name="a [/b] c")))
    with OUTPUT.capture() as captured:
        OUTPUT.print(run_list.listing(run_list.rows([run])))
    assert "a [/b] c" in captured.get()


def test_square_brackets_in_the_live_title_are_text():
    terminal = Console(file=io.StringIO(), force_terminal=True)
    panels = Panels(terminal, "a [/b] c")
    panels.phase("starting")
    panels.close()
    assert "a [/b] c" in terminal.file.getvalue()
