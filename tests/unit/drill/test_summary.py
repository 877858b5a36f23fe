"""The summary of a run is readable at the terminal."""

import io
import re
from dataclasses import asdict, replace

import pytest
from rich.console import Console

from firedrill.cli.console import OUTPUT
from firedrill.drill.judge.verdict import Reason, Status, Verdict
from firedrill.drill.play.progress import Panels
from firedrill.drill.show import run_summary
from firedrill.record import run_description
from firedrill.record.figures import Alert, Arrivals
from firedrill.record.run_folder import Run
from tests.unit.healthy_run import HEALTHY, PROFILE
from tests.unit.printing import printed

SERVERS = (
    {"kind": "dev", "threads": None, "connection_limit": None},
    {"kind": "waitress", "threads": None, "connection_limit": None},
    {"kind": "waitress", "threads": 64, "connection_limit": 1000},
)


def document(server=SERVERS[0], *, alerts=(), verdict=None, figures=HEALTHY):
    """A run as run.json holds it."""
    return {
        "profile": asdict(PROFILE),
        "server": server,
        "target": "bundled API",
        "verdict": asdict(verdict or Verdict(Status.PASSED, ())),
        "figures": figures and asdict(replace(figures, alerts=tuple(alerts))),
    }


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
    assert "0.59 / 0.92 / >50 s" in text
    assert re.search(r"left at the end +– +10 +–", text)


def test_an_alert_is_listed_once_with_its_first_time():
    burns = [
        alert("Burn", after=9.0, window="1h"),
        alert("Burn", after=5.0, window="6h"),
        alert("Burn", "warning", 7.0),
    ]
    text = printed(run_summary.side_by_side([document(alerts=[*burns, alert("Down", after=2.0)])]))
    assert "alerts that fired: Down, Burn\n" in text


def test_a_failed_run_says_why():
    verdict = Verdict(Status.FAILED, (Reason("starved_users", "102 users starved"),))
    text = printed(run_summary.side_by_side([document(verdict=verdict)]))
    assert " FAILED " in text
    assert "• 102 users starved" in text


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
    assert "–" in text


def told(receiver, after, status="firing", summary="The API is down."):
    return {
        "after_seconds": after,
        "receiver": receiver,
        "status": status,
        "alertname": "ApiDown",
        "severity": "critical",
        "labels": {},
        "summary": summary,
    }


def summary_of(folder, **more):
    run = Run(folder)
    run.write({**document(), **more})
    return printed(run_summary.of_run(run))


def test_a_run_lists_its_notifications_with_their_times(tmp_path):
    again = [
        told("page", 12.2),
        told("page", 37.0),
        told("page", 61.0, "resolved"),
        told("page", 70.0),
    ]
    text = summary_of(tmp_path, notifications=[told("log", 2.0, summary="steer\x1b[31m"), *again])
    assert text.split("Who would have been told\n")[1].split("\n\n")[0].splitlines() == [
        " • log after 2.0 s: ApiDown: steer\ufffd[31m",
        " • page after 12 s: ApiDown: The API is down.",
        " • page after 61 s: ApiDown is over",
        " • page after 70 s: ApiDown: The API is down.",
    ]
    assert "Nobody would have been told" in summary_of(tmp_path, notifications=[])


def test_a_run_without_a_receiver_claims_nothing_about_notifications(tmp_path):
    remark = {"code": "alertmanager_missing", "text": "there is no Alertmanager"}
    text = summary_of(tmp_path, notifications=None, remarks=[remark])
    assert "would have been told" not in text
    assert " • there is no Alertmanager" in text
    assert "would have been told" not in summary_of(tmp_path), (
        "a run of a time before there were any"
    )


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
    assert run_description.server_name(document(server)) == name


def test_injected_faults_are_listed_with_their_times(tmp_path):
    latency = {"fault": "latency", "size": 0.3, "start": 1012.0, "end": 1024.0}
    stop = {"fault": "stop", "size": 1.0, "start": 1030.0, "end": 1035.5}
    text = summary_of(tmp_path, faults=[latency, stop], window={"start": 1000.0, "end": 1060.0})
    assert (
        "Faults that were injected\n • latency 300 ms after 12 s, for 12 s\n • stop after 30 s, for 5.5 s\n"
        in text
    )


def test_square_brackets_in_names_are_text():
    named = {
        **document(),
        "profile": {"name": "a [/b] c"},
        "server": None,
        "target": "http://[fe80::1]:80",
    }
    with OUTPUT.capture() as captured:
        OUTPUT.print(run_summary.side_by_side([named]))
    assert captured.get().count("http://[fe80::1]:80") == 2
    assert "a [/b] c against" in captured.get()


def test_square_brackets_in_a_run_list_are_text(tmp_path):
    run = Run(tmp_path / "20261124-000000-a")
    run.folder.mkdir()
    run.write({**document(), "profile": {"name": "a [/b] c"}})
    with OUTPUT.capture() as captured:
        OUTPUT.print(run_summary.listing([run]))
    assert "a [/b] c" in captured.get()


def test_square_brackets_in_the_live_title_are_text():
    terminal = Console(file=io.StringIO(), force_terminal=True)
    panels = Panels(terminal, "a [/b] c")
    panels.phase("starting")
    panels.close()
    assert "a [/b] c" in terminal.file.getvalue()
