"""Ports, scrape addresses and recorded runs are chosen, read and found."""

import json
import socket
from dataclasses import replace

import pytest

from firedrill.alerts.replay import loaded_rules
from firedrill.alerts.rules import rule_file
from firedrill.errors import BadInput
from firedrill.interrupt import Interrupt
from firedrill.processes import ports
from firedrill.record import run_folder
from firedrill.record.outcome import Status, Verdict
from firedrill.record.run_folder import Run
from firedrill.stack import configuration, foreground, grafana
from firedrill.stack.configuration import Scrape
from firedrill.stack.containers.attached_stack import AttachedStack, Attachment
from firedrill.stack.plan import PORT_OPTIONS, Plan, Ports, Server
from tests.target_server import Target
from tests.unit.healthy_run import run_document


@pytest.fixture
def taken_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_that_was_requested_is_an_error(taken_port):
    with pytest.raises(
        BadInput, match=rf"--port {taken_port}: port {taken_port} of 127.0.0.1 is taken"
    ):
        ports.choose(taken_port, 8080, "--port")


def test_a_default_that_is_taken_moves_to_a_free_port(taken_port):
    chosen = ports.choose(None, taken_port, "--port")
    assert chosen.number != taken_port
    assert not ports.is_free(chosen.number)
    chosen.release()
    assert ports.is_free(chosen.number)


def test_no_two_parts_get_the_same_port():
    requested = {"prometheus": ports.any_free()}
    with Ports.choose(requested) as chosen:
        assert chosen.prometheus == requested["prometheus"]
        assert len({getattr(chosen, name) for name in PORT_OPTIONS}) == len(PORT_OPTIONS)


def test_a_default_avoids_the_requested_port_of_another_part():
    if ports.is_free(PORT_OPTIONS["api"][1]):
        with Ports.choose({"metrics": PORT_OPTIONS["api"][1]}) as chosen:
            assert chosen.api != PORT_OPTIONS["api"][1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:9464/metrics", Scrape("api", "localhost:9464", "/metrics")),
        ("localhost:9464", Scrape("api", "localhost:9464", "/metrics")),
        ("db=10.0.0.7:9187/own/path", Scrape("db", "10.0.0.7:9187", "/own/path")),
        ("http://localhost:9464/m", Scrape("api", "localhost:9464", "/m")),
    ],
)
def test_a_scrape_address_is_read(text, expected):
    assert Scrape.parse(text, "api") == expected


def test_a_scrape_address_without_a_port_is_an_error():
    with pytest.raises(
        BadInput, match=r"--scrape localhost/metrics: no port .* such as localhost:9464/metrics"
    ):
        Scrape.parse("localhost/metrics", "api")


def test_a_server_lists_its_options():
    assert Server("waitress", threads=64, connection_limit=1000).options() == [
        "--server",
        "waitress",
        "--threads",
        "64",
        "--connection-limit",
        "1000",
    ]
    assert Server("dev").options() == ["--server", "dev"]


@pytest.mark.parametrize("name", ["mine.yml", "mine.yaml", "mine"])
def test_given_rule_files_get_names_that_prometheus_reads(tmp_path, name):
    (tmp_path / name).write_text("groups: [{name: theirs, rules: [{alert: Theirs, expr: up}]}]")
    configuration.write(tmp_path / "prometheus", (), [tmp_path / name], 12.0)
    (read,) = (tmp_path / "prometheus" / "rules").glob("user-*.yml")
    (given,), (loaded_as,) = rule_file.read(tmp_path / name), rule_file.read(read)
    namesake = replace(loaded_as, place=f"{tmp_path / 'other.yml'}:1")
    assert loaded_rules.match([given], [namesake, loaded_as]) == {given.place: loaded_as}


def a_run(out, name, status="PASSED"):
    run = Run(out / name)
    run.folder.mkdir()
    run.write(run_document(target="http://x", verdict=Verdict(Status(status), ())))
    return run


def test_a_run_is_found_by_the_beginning_of_its_id(tmp_path):
    a_run(tmp_path, "20260101-000000-smoke")
    wanted = a_run(tmp_path, "20260102-000000-launch")
    assert run_folder.find(tmp_path, "20260102") == wanted
    assert run_folder.find(tmp_path, str(wanted.folder)) == wanted


def test_an_unknown_or_ambiguous_run_is_an_error(tmp_path):
    a_run(tmp_path, "20260101-000000-smoke")
    a_run(tmp_path, "20260102-000000-launch")
    with pytest.raises(BadInput, match=r"nope: no runs .* 20260102-000000-launch"):
        run_folder.find(tmp_path, "nope")
    with pytest.raises(BadInput, match="2 runs"):
        run_folder.find(tmp_path, "2026")
    with pytest.raises(BadInput, match="an empty name; expected a run's id"):
        run_folder.find(tmp_path, "")


def test_a_folder_without_a_run_is_an_error(tmp_path):
    (tmp_path / "broken").mkdir()
    for name in ("broken", str(tmp_path / "broken")):
        with pytest.raises(
            BadInput, match=r"broken: has no run\.json; expected the folder of a recorded run"
        ):
            run_folder.find(tmp_path, name)


def test_runs_of_the_same_second_have_separate_folders(tmp_path):
    assert len({Run.create(tmp_path, "launch dev").id for _ in range(3)}) == 3


def test_a_broken_run_file_is_an_error_with_its_place(tmp_path):
    run = a_run(tmp_path, "broken")
    run.json_file.write_text("{")
    with pytest.raises(BadInput, match=r"broken/run.json: no JSON"):
        run.read()
    run.json_file.write_text(json.dumps([1]))
    with pytest.raises(BadInput, match="expected a JSON object"):
        run.read()


def test_grafana_is_found_in_the_home_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAFANA_HOME", str(tmp_path))
    assert grafana.find() is None
    program = tmp_path / "bin" / "grafana"
    program.parent.mkdir()
    program.touch(mode=0o755)
    assert grafana.find() == grafana.Grafana(tmp_path, program)


def test_the_address_of_grafana_comes_with_its_login():
    address = foreground.describe_grafana(
        3000, "secret", "/d/firedrill-golden-signals?from=1000&to=2000"
    )
    assert address.startswith("http://127.0.0.1:3000/d/firedrill-golden-signals?from=1000&to=2000 ")
    assert "admin with secret" in address


def test_a_load_that_prometheus_lost_sight_of_is_stopped(tmp_path):
    """Nobody waits for figures that cannot come."""
    with Target() as locust, Target() as prometheus, Interrupt() as interrupt:
        plan = Plan(
            folder=tmp_path,
            run_id="id",
            ports=Ports.choose({}),
            server=None,
            attached_prometheus=prometheus.url,
        )
        stack = AttachedStack(
            plan, interrupt, Attachment(prometheus.url, locust.url, prometheus.url)
        )
        stack.lost = "Prometheus had no page of the load generator"
        stack.end_locust()
    assert locust.received == 1
    assert prometheus.received == 0
