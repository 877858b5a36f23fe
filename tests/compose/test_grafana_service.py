"""Grafana's service in docker-compose.yml: configuration, mounts and start script, without its
image.
"""

import json
import shutil
import stat
import subprocess

import pytest
from ruamel.yaml import YAML

from firedrill import places
from tests.compose.composed import Composed
from tests.compose.docker_engine import docker

CONFIG = "/etc/firedrill"
"""Where the folder grafana/ is mounted."""

RUN = (
    '#!/bin/sh\ncat "$GF_SECURITY_ADMIN_PASSWORD__FILE" 2>/dev/null '
    '|| echo "given: $GF_SECURITY_ADMIN_PASSWORD"\n'
)
"""A program that stands in for Grafana after start.sh, and prints the password that Grafana would
read.
"""


@pytest.fixture(scope="module")
def rendered(images, tmp_path_factory):
    """Render docker-compose.yml with these variables, as Compose does; return the services."""

    def with_variables(**variables):
        composed = Composed("rendered", tmp_path_factory.mktemp("rendered"), images, **variables)
        said = composed.compose(
            "config", *(["--format", "json"] if composed.project.compose[-1] == "compose" else [])
        )
        assert said.returncode == 0, said.stderr
        return YAML(typ="safe").load(said.stdout)["services"]  # JSON is YAML

    return with_variables


@pytest.fixture(scope="module")
def service(rendered):
    """Return Grafana's service."""
    return rendered()["grafana"]


def mounts(service):
    """Return the sources of a service's mounts by their target."""
    pairs = (
        volume.split(":")[:2] if isinstance(volume, str) else (volume["source"], volume["target"])
        for volume in service["volumes"]
    )
    return {target: source for source, target in pairs}


def test_anonymous_users_are_viewers(service):
    environment = service["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "true"
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert not environment["GF_SECURITY_ADMIN_PASSWORD"]


def test_its_environment_names_only_the_password_file(rendered):
    environment = rendered(GRAFANA_ADMIN_PASSWORD_FILE="/run/secrets/grafana")["grafana"][
        "environment"
    ]
    secretive = {
        name: value
        for name, value in environment.items()
        if any(word in name for word in ("PASSWORD", "SECRET", "TOKEN"))
    }
    assert {name: value for name, value in secretive.items() if value} == {
        "GF_SECURITY_ADMIN_PASSWORD__FILE": "/run/secrets/grafana"
    }


def test_grafana_is_confined_like_other_services(service):
    check_confined(service)
    assert all("127.0.0.1" in json.dumps(port) for port in service["ports"])


def test_traces_are_kept_only_on_request(rendered):
    services = rendered(COMPOSE_PROFILES="tracing", OTEL_EXPORTER_OTLP_ENDPOINT="http://tempo:4318")
    tempo, api, grafana = (services[name] for name in ("tempo", "api", "grafana"))
    check_confined(tempo)
    assert tempo["profiles"] == ["tracing"]
    assert rendered()["api"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == "", (
        "nothing is traced unless somebody asks"
    )
    assert not tempo.get("ports"), "nobody outside talks to it"
    assert api["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://tempo:4318"
    assert set(api["networks"]) & set(tempo["networks"]) == {"traces"}
    assert set(grafana["networks"]) & set(tempo["networks"]) == {"dashboards"}
    config = tempo["command"][0].partition("=")[2]
    assert (
        YAML(typ="safe").load(places.GRAFANA / config.removeprefix(f"{CONFIG}/"))["server"][
            "http_listen_port"
        ]
        == 3200
    )
    assert mounts(tempo)[CONFIG] == str(places.GRAFANA)
    assert grafana["environment"]["TEMPO_URL"] == "http://tempo:3200"


def check_confined(service):
    """Check the limits that every service has."""
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert str(service["user"]).partition(":")[0] not in {"", "0", "root"}
    assert {"mem_limit", "cpus", "pids_limit"} <= service.keys()


def test_every_configured_path_is_mounted(service):
    root = mounts(service)["/etc/firedrill"]
    assert str(places.GRAFANA) == root
    for variable in (
        "GF_PATHS_PROVISIONING",
        "DASHBOARDS_PATH",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH",
    ):
        path = service["environment"][variable]
        assert path.startswith("/etc/firedrill/")
        assert (places.GRAFANA / path.removeprefix("/etc/firedrill/")).exists(), variable
    assert service["entrypoint"][-1].removeprefix("/etc/firedrill/") == "start.sh"


@pytest.fixture
def start(images, tmp_path):
    """Start the service's container with another program in place of Grafana; return its output."""
    shutil.copy(places.GRAFANA / "start.sh", tmp_path)
    (tmp_path / "run.sh").write_text(RUN)
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "data").mkdir(mode=0o777)
    (tmp_path / "data").chmod(0o777)

    def started(*variables):
        where = [
            "-v",
            f"{tmp_path}/start.sh:/start.sh:ro",
            "-v",
            f"{tmp_path}/run.sh:/run.sh:ro",
            "-v",
            f"{tmp_path}/data:/var/lib/grafana",
        ]
        options = [word for variable in variables for word in ("-e", variable)]
        confined = [
            "--rm",
            "--user",
            "472:0",
            "--read-only",
            "--cap-drop",
            "ALL",
            "--entrypoint",
            "/bin/sh",
        ]
        return docker(
            "run", *confined, *where, *options, images["PYTHON_IMAGE"], "/start.sh"
        ).splitlines()

    return started


def test_the_first_start_makes_an_unlogged_password(start, images, tmp_path):
    first = start()
    secret = tmp_path / "data" / "admin-password"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    user = (
        "--rm",
        "--user",
        "472",
        "--volume",
        f"{secret}:/secret:ro",
        "--entrypoint",
        "cat",
    )  # Nobody else may read it.
    password = docker("run", *user, images["PYTHON_IMAGE"], "/secret")
    assert len(password) >= 20
    assert "docker compose exec grafana cat" in first[0]
    assert password not in first[0]
    assert first[-1] == password, "it is what Grafana reads"
    assert start() == [password], "the second start keeps it, and says nothing"


def test_a_given_password_is_taken(start, tmp_path):
    assert start("GF_SECURITY_ADMIN_PASSWORD=correct horse") == ["given: correct horse"]
    assert not (tmp_path / "data" / "admin-password").exists()


def test_the_script_is_for_any_shell():
    shell = shutil.which("dash") or "sh"
    assert subprocess.run([shell, "-n", places.GRAFANA / "start.sh"], check=False).returncode == 0
