"""`firedrill run PROFILE --docker`: the verdict, run folder and exit codes of a run in processes; and what it says when it cannot."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from firedrill.alerts import loaded
from firedrill.contract import LOOPBACK
from firedrill.drill.record import Run
from firedrill.errors import Missing
from firedrill.prom import Prometheus
from firedrill.stack import engine, ports
from tests import drilling
from tests.compose.composed import Composed
from tests.compose.docker_engine import Gateway, docker
from tests.waiting import poll_until


def start(folder, images, *words, environment=None):
    """`firedrill run WORDS… --docker`."""
    return drilling.start(
        folder, *words, "--docker", "--web-port", ports.any_free(), environment={**images, **(environment or {})}, docker=True
    )


POISON = {"LOAD_TARGET": "http://nowhere.example:1", "LOCUSTFILE": "/nowhere.py", "API_THREADS": "1", "BIND_ADDRESS": "0.0.0.0"}
"""What the environment says of the stack that stands is not for a run."""


def test_a_run_is_judged_and_recorded_as_one_in_processes_is(images, tmp_path):
    profile = drilling.profile(tmp_path, users=6, seconds=10, user="BrowsingUser")
    drill = start(tmp_path / "runs", images, profile, "--workers", "2", environment=POISON)
    code, output, errors = drill.finish(200)
    run = drill.run()
    document = run.read()
    counts = document["figures"]["counts"]
    assert drilling.passed(code, document), output + errors
    assert counts["client_requests"] == counts["server_finished"] > 50
    assert document["versions"]["api image"] == "firedrill-api"
    assert any(run.snapshot.iterdir())
    (api,) = [group for group in loaded.groups(run) if group.name == "api"]
    assert api.interval_ms == 1_250, "the rules are kept as the containers scaled them, by 12"
    assert {"api.log", "locust-master.log", "locust-worker.log", "prometheus.log", "config.log"} <= {
        file.name for file in run.folder.iterdir()
    }
    assert nothing_is_left(run)


def test_an_api_that_dies_in_a_container_is_a_failure_and_somebody_is_told(images, tmp_path):
    drill = start(tmp_path / "runs", images, drilling.profile(tmp_path, users=6, seconds=25))
    try:
        project = poll_until(lambda: drill.folder() and project_of(drill.folder().name), "the project's containers", 60)
        poll_until(lambda: docker("ps", "-q", *named(project, "locust-worker")), "the load", 60, every_seconds=0.5)
        wait_for_answers(drill)
        docker("kill", docker("ps", "-q", *named(project, "api")))
    finally:
        code, output, errors = drill.finish(200)
    assert code == 1, output + errors
    document = drill.run().read()
    assert "api_ended" in {reason["code"] for reason in document["verdict"]["reasons"]}
    assert "ApiDown" in {alert["name"] for alert in document["figures"]["alerts"]}
    assert ("page", "firing", "ApiDown") in {(each["receiver"], each["status"], each["alertname"]) for each in document["notifications"]}
    assert nothing_is_left(drill.run())


def test_a_locustfile_and_rules_of_ones_own_play_in_containers(images, tmp_path):
    rules = tmp_path / "my rules.yml"
    rules.write_text("groups:\n  - name: mine\n    rules:\n      - {alert: MineAlways, expr: locust_users > 0}\n")
    theirs = drilling.LOCUSTFILES / "theirs.py"
    profile = drilling.profile(tmp_path, users=4, seconds=8, slo="{p99: 1s}", alerts="{always: [MineAlways]}")
    drill = start(tmp_path / "runs", images, profile, "--locustfile", theirs, "--rules", rules)
    code, output, errors = drill.finish(200)
    assert drilling.passed(code, drill.run().read()), output + errors


def test_up_tells_its_addresses_and_leaves_its_volumes(images, tmp_path):
    name = f"firedrill-up-{os.getpid()}"
    environment = {**images, "COMPOSE_PROJECT_NAME": name}
    words = ("--docker", "--no-grafana", "--profile", "smoke", "--web-port", ports.any_free())
    up = drilling.start(tmp_path, *words, command="up", environment=environment, docker=True)
    try:
        said = []
        for line in up.process.stderr:
            said.append(line)
            if "golden signals after" in line or up.process.poll() is not None:
                break
        assert "golden signals after" in said[-1], said
        assert f"http://127.0.0.1:{up.ports['--prometheus-port']}" in "".join(said)
        up.interrupt()
        code, _, errors = up.finish(60)
        assert code == 0, errors
        assert docker("ps", "-aq", "--filter", f"name={name}") == ""
        assert f"{name}_prometheus-data" in docker("volume", "ls", "-q").split()
    finally:
        engine.Project(name, environment).down(volumes=True)


OPEN = "name: open\narrivals: open\nmax_in_flight: 8\nsteps: [{start_time: 0s, rate: 20}]\nduration: 90s\n"


def test_a_worker_and_a_prometheus_that_die_void_the_run_and_leave_its_samples(images, tmp_path):
    """Of an open loop at 20 a second: the worker that is left sends all of them, some seconds later."""
    profile = tmp_path / "open.yaml"
    profile.write_text(OPEN)
    drill = start(tmp_path / "runs", images, profile, "--workers", "2")
    prom = Prometheus(f"http://{LOOPBACK}:{drill.ports['--prometheus-port']}")
    try:
        drill.wait_for_requests(90)
        project = project_of(drill.folder().name)
        docker("kill", docker("ps", "-q", *named(project, "locust-worker")).split()[0])
        gone = prom_says(prom, 'locust_workers{state="missing"} == 1', "the worker to be missed")
        assert gone[0].labels["state"] == "missing"
        prom_says(prom, "abs(sum(rate(locust_arrivals_started_total[5s])) - 20) < 1", "the other one to send all of it")
        prom_says(prom, "locust_arrivals_unsent_total > 0", "what the dead one owed to be counted")
        broken = 'sum_over_time(locust:run_invalid_reason:bool{reason="worker_missing"}[30s]) > 4'
        prom_says(prom, broken, "the condition to be broken for as long as voids a run")
        docker("kill", docker("ps", "-q", *named(project, "prometheus")))
    finally:
        code, _, errors = drill.finish(200)
    assert code == 4, errors
    assert any((drill.run().snapshot).iterdir())
    document = drill.run().read()
    assert "worker_missing" in {reason["code"] for reason in document["verdict"]["reasons"]}
    assert document["figures"]["counts"]["client_requests"] > 0
    assert nothing_is_left(drill.run())


def test_an_engine_that_is_gone_ends_the_run_and_what_is_left_is_told(images, tmp_path):
    with Gateway() as gateway:
        drill = start(tmp_path / "runs", {**images, **gateway.environment}, "soak")
        try:
            wait_for_answers(drill)
            gateway.server_close()
            code, _, errors = drill.finish(120)
            project = project_of(drill.folder().name)
            assert code == 3, errors
            assert f"when the engine answers: docker compose --project-name {project} down --volumes" in errors
            assert "Traceback" not in errors
            assert drill.run().read()["verdict"]["status"] == "INVALID"
        finally:
            drill.process.kill()
            engine.Project(project_of(drill.folder().name), images).down(volumes=True)


def test_ctrl_c_ends_a_build(images, tmp_path):
    with Gateway() as gateway:
        drill = start(tmp_path / "runs", {**images, **gateway.environment}, "smoke")
        poll_until(lambda: " build " in " ".join(drill.children()), "the build", 30, every_seconds=0.05)
        gateway.passing.clear()
        drill.interrupt()
        code, _, errors = drill.finish(40)
    assert code == 130, errors
    assert not drill.folder()


def test_a_target_that_does_not_answer_the_containers_is_said_before_the_load(images, tmp_path):
    drill = start(
        tmp_path / "runs", images, "smoke", "--target", "http://locust-worker:9", "--locustfile", drilling.LOCUSTFILES / "theirs.py"
    )
    code, _, errors = drill.finish(200)
    assert code == 3, errors
    assert "no answer from inside the containers" in errors


def test_ctrl_c_keeps_what_was_recorded_and_leaves_no_container(images, tmp_path):
    drill = start(tmp_path / "runs", images, "soak")
    wait_for_answers(drill)
    drill.interrupt()
    code, _, errors = drill.finish(120)
    assert code == 130, errors
    assert drill.run().read()["figures"]["counts"]["client_requests"] > 0
    assert nothing_is_left(drill.run())


def test_the_command_lines_own_image_plays_on_the_stack_that_is_up(images, tmp_path):
    with Composed(f"firedrill-attach-{os.getpid()}", tmp_path, images, LOAD_PROFILE="smoke") as composed:
        composed.up("api", "locust-master", "locust-worker", "prometheus", "notifications")
        composed.wait_until_healthy()
        played = composed.compose("run", "--rm", "-T", "firedrill", "run", "smoke", "--json")
        document = json.loads(played.stdout[played.stdout.index("{") :])
        assert drilling.passed(played.returncode, document), played.stdout + played.stderr
        assert document["figures"]["counts"]["client_requests"] == document["figures"]["counts"]["server_finished"] > 50
        other = composed.compose("run", "--rm", "-T", "firedrill", "run", "soak")
        assert other.returncode == 2
        assert "LOAD_PROFILE=soak" in other.stdout + other.stderr
        refused = composed.compose("run", "--rm", "-T", "firedrill", "run", "smoke", "--threads", "9")
        assert refused.returncode == 2
        assert "--threads" in refused.stdout + refused.stderr


@pytest.mark.parametrize(
    ("words", "environment", "code", "said"),
    [
        (["smoke"], {"PATH": "/nowhere"}, 3, "docker is not on PATH"),
        (["smoke"], {"DOCKER_HOST": "unix:///nowhere.sock"}, 3, "the Docker engine does not answer"),
        (["smok"], {}, 2, "did you mean smoke"),
        (["smoke", "--target", "http://localhost:8000"], {}, 2, "host.docker.internal"),
        (["smoke", "--target", "localhost:8000"], {}, 2, "expected a URL"),
        (["smoke", "--scrape", "localhost:9464"], {}, 2, "host.docker.internal"),
        (["smoke", "--threads", "9999"], {}, 2, "--threads"),
        (["smoke", "--workers", "0"], {}, 2, "--workers"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(images, tmp_path, words, environment, code, said):
    ended, _, errors = start(tmp_path, images, *words, environment=environment).finish()
    assert ended == code, errors
    assert said in errors
    assert "Traceback" not in errors
    assert not drilling.Drill(None, tmp_path, {}).folder()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not use the engine")
def test_an_engine_that_this_user_may_not_use_is_named(images):
    def ask(answer):
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            answer.put(engine.need())
        except Missing as error:
            answer.put(str(error))

    forked = multiprocessing.get_context("fork")  # The code is imported already: this user may read no file of ours.
    answer = forked.SimpleQueue()
    child = forked.Process(target=ask, args=(answer,))
    child.start()
    assert "may not be used by this user; expected membership of the group `docker`" in answer.get()
    child.join()


def test_an_unknown_profile_ends_locust_with_one_line(images, tmp_path):
    with Composed(f"firedrill-unknown-{os.getpid()}", tmp_path, images, LOAD_PROFILE="sok", RESTART="no") as composed:
        composed.up("locust-master", alone=True)
        code = poll_until(lambda: composed.project.states().get("locust-master"), "Locust to end", 40, every_seconds=0.5)
        assert code == 2
        assert composed.project.log("locust-master").splitlines()[-1].startswith("profile sok is unknown; did you mean soak")


def test_a_load_without_workers_says_that_it_waits_for_them(images, tmp_path):
    with Composed(f"firedrill-lonely-{os.getpid()}", tmp_path, images) as composed:
        composed.up("locust-master", alone=True)
        line = "Waiting for workers to be ready, 0 of 1 connected"
        poll_until(lambda: line in composed.project.log("locust-master"), "Locust to say so", 40, every_seconds=0.5)


def prom_says(prom, query, reason):
    """The first answer that a query gives."""
    return poll_until(lambda: prom.instant(query), reason, 40, every_seconds=0.5)


def project_of(run_id):
    """Name of the Compose project of a run, once there is one."""
    names = docker("ps", "-a", "--filter", f"name=firedrill-{run_id[:15]}", "--format", '{{.Label "com.docker.compose.project"}}').split()
    return names[0] if names else None


def named(project, service):
    """Filters that find a service's containers."""
    labels = (f"label=com.docker.compose.project={project}", f"label=com.docker.compose.service={service}")
    return [word for label in labels for word in ("--filter", label)]


def wait_for_answers(drill):
    """Wait until the run's Prometheus knows of requests."""
    drill.wait_for_requests(90)


def nothing_is_left(run: Run):
    """Whether neither container, network nor volume of the run is there."""
    stem = f"firedrill-{run.id[:15]}"
    kinds = (["ps", "-aq"], ["network", "ls", "-q"], ["volume", "ls", "-q"])
    return not any(docker(*kind, "--filter", f"name={stem}") for kind in kinds) and Path(run.folder).is_dir()
