"""The containers have no privileges, reach only what they need, and hold no secrets."""

import re

import pytest
import requests

from firedrill.contract import LOOPBACK
from firedrill.stack.containers.container_stack import SERVICES
from tests.compose.docker_engine import docker
from tests.waiting import PATIENCE_SECONDS, poll_until


def status(stack, service):
    """Return the fields of /proc/1/status inside a container."""
    return dict(
        re.findall(
            r"^(\w+):\s+(.+)$", stack.execute(service, "cat", "/proc/1/status"), re.MULTILINE
        )
    )


@pytest.mark.parametrize("service", SERVICES)
def test_the_first_process_has_no_privileges(stack, service):
    fields = status(stack, service)
    assert "0" not in fields["Uid"].split()
    assert {fields[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")} == {
        "0" * 16
    }
    assert fields["NoNewPrivs"] == "1"


@pytest.mark.parametrize("service", SERVICES)
def test_only_tmp_and_its_own_data_are_writable(stack, service):
    mounts = [line.split() for line in stack.execute(service, "cat", "/proc/1/mounts").splitlines()]
    writable = {
        mount
        for _, mount, kind, options, *_ in mounts
        if "rw" in options.split(",") and kind not in {"proc", "mqueue"}
    }
    kernels = {mount for mount in writable if mount.startswith(("/dev", "/proc", "/sys"))}
    engines = {
        "/etc/hosts",
        "/etc/hostname",
        "/etc/resolv.conf",
    }  # Root's files, and nobody here is root.
    own = {
        "prometheus": {"/prometheus"},
        "alertmanager": {"/alertmanager"},
        "config": {"/config"},
        "notifications": {"/notifications"},
    }
    assert writable - kernels - engines == {"/tmp", *own.get(service, set())}


@pytest.mark.parametrize("service", SERVICES)
def test_memory_processors_and_processes_are_limited(stack, service):
    limits = stack.inspect(service)["HostConfig"]
    assert 0 < limits["Memory"] <= 1 << 30
    assert 0 < limits["NanoCpus"] <= 2e9
    assert 0 < limits["PidsLimit"] <= 4096
    versions = "/sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes"
    assert (
        int(stack.execute(service, "sh", "-c", f"cat {versions} 2>/dev/null; true"))
        == limits["Memory"]
    )


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_published_on_loopback_alone(stack, service):
    bindings = [
        binding
        for port in (stack.inspect(service)["HostConfig"]["PortBindings"] or {}).values()
        for binding in port
    ]
    assert {binding["HostIp"] for binding in bindings} <= {LOOPBACK}


@pytest.mark.parametrize(
    ("service", "host", "port"),
    [
        ("locust-worker", "api", 9464),
        ("locust-master", "api", 9464),
        ("locust-worker", "api-metrics", 9464),
        ("locust-worker", "prometheus", 9090),
        ("locust-worker", "alertmanager", 9093),
        ("locust-master", "prometheus", 9090),
        ("locust-master", "alertmanager", 9093),
        ("api", "prometheus", 9090),
        ("api", "alertmanager", 9093),
        ("api", "notifications", 9095),
    ],
)
def test_networks_separate_the_load_from_the_measurement(stack, service, host, port):
    assert not stack.reaches(service, host, port)
    poll_until(
        lambda: stack.reaches(service, "api", 8080), "the control: what it may reach, it reaches"
    )


def test_the_load_cannot_reach_the_fault_endpoint_by_address(stack):
    """The API's address on the scrape network has no name in the load's network."""
    networks = stack.inspect("api")["NetworkSettings"]["Networks"]
    for network in networks.values():
        assert not stack.reaches("locust-worker", network["IPAddress"], 9464)
    poll_until(
        lambda: stack.reaches("locust-worker", "api", 8080),
        "the control: what it may reach, it reaches",
    )


@pytest.mark.parametrize("service", SERVICES)
def test_neither_environment_nor_log_holds_a_secret(stack, service):
    words = ("PASSWORD", "SECRET", "TOKEN")
    assert not [
        line
        for line in stack.inspect(service)["Config"]["Env"]
        if any(word in line.upper() for word in words)
    ]
    assert not re.search(
        r"(password|secret|token)\s*[=:]\s*\S", stack.project.log(service), re.IGNORECASE
    )


@pytest.mark.parametrize("image", ["firedrill-api", "firedrill-load", "firedrill"])
def test_images_hold_only_the_programs_of_the_checkout(stack, image):
    """Images hold neither secrets nor files that a user recorded or wrote."""
    paths = docker(
        "run",
        "--rm",
        "--entrypoint",
        "find",
        image,
        "/srv",
        "-mindepth",
        "1",
        "-maxdepth",
        "2",
        "-printf",
        "%P\n",
    ).splitlines()
    assert "firedrill/contract.py" in paths, "the control: the listing shows what is there"
    assert {path.split("/")[0] for path in paths} <= {
        "firedrill",
        "api",
        "load",
        "firedrill_load",
        "exporters",
        "grafana",
    }
    assert not {"load/yours", "grafana/provisioning"} & set(paths)
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    assert not re.search(r"(password|secret|token)\s*[=:]\s*\S", history, re.IGNORECASE)


def test_a_foreign_web_page_cannot_steer_locust(stack):
    """A foreign page in the same browser could post to loopback. Locust's own page and programs
    may.
    """
    own = stack.url("LOCUST_WEB_PORT")
    for order in ("stop", "swarm"):
        refused = requests.post(
            f"{own}/{order}", headers={"Origin": "http://evil.example"}, timeout=PATIENCE_SECONDS
        )
        assert refused.status_code == 403, order
    assert requests.get(
        f"{own}/stats/requests", headers={"Origin": own}, timeout=PATIENCE_SECONDS
    ).ok, "the control: its own web page is answered"
    assert stack.prom.number('max(locust_state{state="stopped"})') != 1
