"""`firedrill run PROFILE --docker` judges, records and exits as a run in processes does."""

import json
import multiprocessing
import os

import pytest
import requests

from firedrill.alerts.replay import loaded_rules
from firedrill.contract import LOOPBACK
from firedrill.errors import Missing
from firedrill.processes import ports
from firedrill.stack.containers import container_stack, engine
from tests import firedrill_process, run_json, verdicts
from tests.compose.composed import (
    PATIENCE_SECONDS,
    STALLED_CONTAINER_REASONS,
    Composed,
    all_are_counted,
    answer,
    leftovers,
)
from tests.compose.docker_engine import Gateway, docker
from tests.waiting import poll_until

POISON = {
    "LOAD_TARGET": "http://nowhere.example:1",
    "LOCUSTFILE": "/nowhere.py",
    "API_THREADS": "1",
    "BIND_ADDRESS": "0.0.0.0",
}
"""Variables of the environment that a run has to ignore, because they configure the standing stack.
"""

SLO = "{p99: 30s, errors: 1%}"
"""An SLO that holds on a machine that stands still for some seconds."""


def profile(folder, name="test", *, user="BasicUser", duration="", slo=SLO, alerts="{}"):
    """Write a profile whose load lasts for a duration, or until it is stopped."""
    file = folder / f"{name}.yaml"
    file.write_text(
        f"name: {name}\nuser: {user}\nthink_time: 0.2s..0.4s\n"
        "steps:\n  - {start_time: 0s, users: 12, spawn_rate: 12}\n"
        f"{f'duration: {duration}' if duration else ''}\nwarmup: 2s\nslo: {slo}\nalerts: {alerts}\n"
    )
    file.chmod(0o644)
    return file


def test_a_run_in_containers_is_judged_and_recorded(start, tmp_path):
    drill = start(
        profile(tmp_path, user="BrowsingUser", duration="10s"), "--workers", "2", environment=POISON
    )
    code, output, errors = drill.finish(PATIENCE_SECONDS)
    run = drill.run()
    document = run_json.content(run)
    assert verdicts.passed(code, document, STALLED_CONTAINER_REASONS), output + errors
    assert document["figures"]["counts"]["client_requests"] > 50
    assert all_are_counted(document), document["figures"]
    assert document["versions"]["api image"] == "firedrill-api"
    assert any(run.snapshot.iterdir())
    (api,) = [group for group in loaded_rules.groups(run) if group.name == "api"]
    assert api.interval_ms == 1_250, "the rules are kept as the containers scaled them, by 12"
    assert {
        "api.log",
        "locust-master.log",
        "locust-worker.log",
        "prometheus.log",
        "config.log",
    } <= {file.name for file in run.folder.iterdir()}
    assert leftovers(project_of(drill)) == []


def test_an_api_that_dies_fails_the_run_and_pages(start, tmp_path):
    drill = start(profile(tmp_path))
    wait_for_answers(drill)
    says(drill, 'absent(ALERTS{alertname="ApiDown"})', "an API that is not down")
    poll_until(
        lambda: api_down(drill)[-1:] != ["firing"],
        "earlier pages, of the start, to be resolved",
        PATIENCE_SECONDS,
        every_seconds=0.5,
    )
    before = len(api_down(drill))
    docker("kill", containers(drill, "api")[0])
    poll_until(
        lambda: "firing" in api_down(drill)[before:],
        "the page",
        PATIENCE_SECONDS,
        every_seconds=0.5,
    )
    stop_load(drill)
    code, output, errors = drill.finish(PATIENCE_SECONDS)
    document = run_json.content(drill.run())
    assert verdicts.failed(code, document, STALLED_CONTAINER_REASONS), output + errors
    assert "api_ended" in {reason["code"] for reason in document["verdict"]["reasons"]}
    assert "ApiDown" in {alert["name"] for alert in document["figures"]["alerts"]}
    assert ("page", "firing", "ApiDown") in {
        (sent["receiver"], sent["status"], sent["alertname"]) for sent in document["notifications"]
    }
    assert leftovers(project_of(drill)) == []


def test_up_prints_addresses_and_keeps_its_volumes(images, tmp_path):
    tmp_path.chmod(
        0o755
    )  # The folder itself is mounted, and the containers' users are not this one.
    name = f"firedrill-up-{os.getpid()}"
    environment = {**images, "COMPOSE_PROJECT_NAME": name}
    words = (
        "--docker",
        "--no-grafana",
        "--profile",
        profile(tmp_path),
        "--web-port",
        ports.any_free(),
    )
    up = firedrill_process.start(
        tmp_path, *words, command="up", environment=environment, docker=True
    )
    try:
        said = []
        for line in up.process.stderr:
            said.append(line)
            if "golden signals after" in line:
                break
        assert "golden signals after" in said[-1], said
        assert f"http://{LOOPBACK}:{up.ports['--prometheus-port']}" in "".join(said)
        up.interrupt()
        code, _, errors = up.finish(PATIENCE_SECONDS)
        assert code == 0, errors
        volumes = docker(
            "volume", "ls", "-q", "--filter", f"label=com.docker.compose.project={name}"
        ).split()
        assert leftovers(name) == volumes, "neither containers nor networks"
        assert f"{name}_prometheus-data" in volumes
    finally:
        with up.process as process:
            process.kill()
        engine.Project(name, environment).down(volumes=True)


ALL_BY_ONE = """
    min_over_time(locust_workers{state="missing"}[15s]) == 1
    and on () sum(increase(locust_arrivals_offered_total[15s])) > 200
    and on () sum(increase(locust_arrivals_started_total[15s]))
        > 0.95 * sum(increase(locust_arrivals_offered_total[15s]))
"""
"""True once the remaining worker sent nearly all arrivals of 15 s in which the other one was
missing.
"""

OPEN = "name: open\narrivals: open\nmax_in_flight: 8\nsteps: [{start_time: 0s, rate: 20}]\n"


def test_a_run_without_worker_and_prometheus_keeps_its_samples(start, tmp_path):
    """The run is void.

    The profile is open, at 20 arrivals a second. Some seconds after a worker was killed, the
    remaining one sends all of them.
    """
    file = tmp_path / "open.yaml"
    file.write_text(OPEN)
    drill = start(file, "--workers", "2")
    wait_for_answers(drill)
    docker("kill", containers(drill, "locust-worker")[0])
    gone = says(drill, 'locust_workers{state="missing"} == 1', "the worker to be missed")
    assert gone[0].labels["state"] == "missing"
    says(drill, ALL_BY_ONE, "the other one to send all of it")
    says(drill, "locust_arrivals_unsent_total > 0", "what the dead one owed to be counted")
    broken = 'sum_over_time(locust:run_invalid_reason:bool{reason="worker_missing"}[30s]) > 4'
    says(drill, broken, "the condition to be broken for as long as voids a run")
    docker("kill", containers(drill, "prometheus")[0])
    code, _, errors = drill.finish(PATIENCE_SECONDS)
    assert code == 4, errors
    assert any((drill.run().snapshot).iterdir())
    document = run_json.content(drill.run())
    assert "worker_missing" in {reason["code"] for reason in document["verdict"]["reasons"]}
    assert document["figures"]["counts"]["client_requests"] > 0
    assert leftovers(project_of(drill)) == []


def test_a_run_whose_engine_is_gone_names_its_leftovers(start):
    with Gateway() as gateway:
        drill = start("soak", environment=gateway.environment)
        wait_for_answers(drill)
        gateway.close()
        code, _, errors = drill.finish(PATIENCE_SECONDS)
    assert code == 3, errors
    assert (
        f"when the engine answers: docker compose --project-name {project_of(drill)} down --volumes"
        in errors
    )
    assert "Traceback" not in errors
    assert run_json.content(drill.run())["verdict"]["status"] == "INVALID"


def test_ctrl_c_ends_a_build(start):
    """The gateway holds the build back, which would end at once where the images exist."""
    with Gateway(silent_on=rb"POST \S*/(build|session|grpc)\b") as gateway:
        drill = start("smoke", environment=gateway.environment)
        poll_until(
            lambda: gateway.silenced.is_set() or drill.process.poll() is not None, "the build"
        )
        assert any(" build " in words for words in drill.child_commands())
        drill.interrupt()
        code, _, errors = drill.finish(PATIENCE_SECONDS)
    assert code == 130, errors
    assert not drill.folder()


def test_a_target_that_containers_cannot_reach_ends_the_run(start):
    """The run ends before its load."""
    drill = start(
        "smoke",
        "--target",
        "http://locust-worker:9",
        "--locustfile",
        firedrill_process.LOCUSTFILES / "theirs.py",
    )
    code, _, errors = drill.finish(PATIENCE_SECONDS)
    assert code == 3, errors
    assert "does not answer inside the containers" in errors


def test_ctrl_c_keeps_samples_of_a_users_locustfile_and_rules(start, tmp_path):
    rules = tmp_path / "my rules.yml"
    rules.write_text(
        "groups:\n  - name: mine\n    rules:\n      - {alert: MineAlways, expr: locust_users > 0}\n"
    )
    file = profile(tmp_path, alerts="{always: [MineAlways]}")
    theirs = firedrill_process.LOCUSTFILES / "theirs.py"
    drill = start(file, "--locustfile", theirs, "--rules", rules)
    wait_for_answers(drill)
    says(drill, 'ALERTS{alertname="MineAlways", alertstate="firing"}', "the alert")
    says(drill, 'sum(locust_requests_total{name="/fail"}) > 10', "requests of the locustfile")
    drill.interrupt()
    code, _, errors = drill.finish(PATIENCE_SECONDS)
    assert code == 130, errors
    document = run_json.content(drill.run())
    assert document["figures"]["counts"]["client_requests"] > 10
    assert "MineAlways" in {alert["name"] for alert in document["figures"]["alerts"]}
    assert leftovers(project_of(drill)) == []


def test_the_firedrill_image_plays_on_a_running_stack(images, tmp_path):
    for name in ("brief", "other"):
        profile(tmp_path, name, duration="10s")
    tmp_path.chmod(0o755)  # It is mounted, and the containers' users are not this one.
    with Composed(
        "attach", tmp_path, images, LOAD_PROFILES=str(tmp_path), LOAD_PROFILE="brief"
    ) as composed:
        composed.up("api", "locust-master", "locust-worker", "prometheus", "notifications")
        composed.wait_until_healthy()
        played = composed.compose("run", "--rm", "-T", "firedrill", "run", "brief", "--json")
        assert "{" in played.stdout, played.stderr
        document = json.loads(played.stdout[played.stdout.index("{") :])
        assert verdicts.passed(played.returncode, document, STALLED_CONTAINER_REASONS), (
            played.stdout + played.stderr
        )
        assert document["figures"]["counts"]["client_requests"] > 50
        assert all_are_counted(document), document["figures"]
        other = composed.compose("run", "--rm", "-T", "firedrill", "run", "other")
        assert other.returncode == 2
        assert "LOAD_PROFILE=other" in other.stdout + other.stderr
        refused = composed.compose(
            "run", "--rm", "-T", "firedrill", "run", "brief", "--threads", "9"
        )
        assert refused.returncode == 2
        assert "--threads" in refused.stdout + refused.stderr


@pytest.mark.parametrize(
    ("words", "environment", "code", "said"),
    [
        (["smoke"], {"PATH": "/nowhere"}, 3, "docker is not on PATH"),
        (
            ["smoke"],
            {"DOCKER_HOST": "unix:///nowhere.sock"},
            3,
            "the Docker engine does not answer",
        ),
        (["smok"], {}, 2, "did you mean smoke"),
        (["smoke", "--target", "http://localhost:8000"], {}, 2, "host.docker.internal"),
        (["smoke", "--target", "localhost:8000"], {}, 2, "expected a URL"),
        (["smoke", "--scrape", "localhost:9464"], {}, 2, "host.docker.internal"),
        (["smoke", "--threads", "9999"], {}, 2, "--threads"),
        (["smoke", "--workers", "0"], {}, 2, "--workers"),
    ],
)
def test_a_mistake_is_explained_in_one_line(start, words, environment, code, said):
    drill = start(*words, environment=environment)
    ended, _, errors = drill.finish(PATIENCE_SECONDS)
    assert ended == code, errors
    assert said in errors
    assert "Traceback" not in errors
    assert not drill.folder()


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can become somebody who may not use the engine"
)
def test_an_engine_that_refuses_this_user_is_explained(images):
    def ask(answer):
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            answer.put(engine.need())
        except Missing as error:
            answer.put(str(error))

    forked = multiprocessing.get_context(
        "fork"
    )  # The code is imported already: this user may read no file of ours.
    answer = forked.SimpleQueue()
    child = forked.Process(target=ask, args=(answer,))
    child.start()
    assert "may not be used by this user; expected membership of the group `docker`" in answer.get()
    child.join()


def project_of(drill):
    """Return the name of a run's Compose project."""
    return container_stack.project_name(drill.folder())


def containers(drill, service):
    """Return the ids of the running containers of a run's service."""
    labels = {"project": project_of(drill), "service": service}
    filters = [
        word
        for label, value in labels.items()
        for word in ("--filter", f"label=com.docker.compose.{label}={value}")
    ]
    return poll_until(
        lambda: docker("ps", "-q", *filters).split(),
        f"a container of {service}",
        PATIENCE_SECONDS,
        every_seconds=0.5,
    )


def wait_for_answers(drill):
    """Wait until the run's Prometheus has counted requests."""
    says(drill, "sum(locust_requests_total) > 0", "requests")


def says(drill, query, reason):
    """Wait until a query to the run's Prometheus has a result; return it."""

    def said():
        assert drill.process.poll() is None, drill.process.stderr.read()
        return answer(drill.prometheus(), query)

    return poll_until(said, reason, PATIENCE_SECONDS, every_seconds=0.5)


def api_down(drill):
    """Return the status of each page about ApiDown that was sent so far."""
    url = f"http://{LOOPBACK}:{drill.ports['--notifications-port']}/notifications"
    notifications = requests.get(url, timeout=PATIENCE_SECONDS).json()
    return [
        notification["status"]
        for notification in notifications
        if (notification["receiver"], notification["alertname"]) == ("page", "ApiDown")
    ]


def stop_load(drill):
    """End the load as the stop button of Locust's web page does."""
    requests.post(
        f"http://{LOOPBACK}:{drill.ports['--web-port']}/stop", timeout=PATIENCE_SECONDS
    ).raise_for_status()
