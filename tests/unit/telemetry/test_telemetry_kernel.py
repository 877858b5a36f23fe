"""Figures of the kernel are read from real files and sockets, and from files of other kernels."""

import os
import socket

import pytest

from firedrill.telemetry import kernel


def as_table(readings):
    return {(metric.name, *labels): value for metric, labels, value in readings}


def own_sockets():
    return as_table(kernel.socket_readings(kernel.tcp_sockets(), kernel.owned_inodes(os.getpid())))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_waiting_and_accepted_connections_of_a_listener_are_counted_separately(host):
    with socket.create_server(
        (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=7
    ) as listener:
        port = listener.getsockname()[1]
        clients = [socket.create_connection(listener.getsockname()[:2]) for _ in range(3)]
        before = own_sockets()
        accepted, _ = listener.accept()
        after = own_sockets()
        for connection in (*clients, accepted):
            connection.close()
    assert before["tcp_listen_backlog", str(port)] == 3
    assert before["tcp_listen_backlog_limit", str(port)] == 7
    assert after["tcp_listen_backlog", str(port)] == 2
    assert after["http_server_connections",] - before["http_server_connections",] == 1


def test_a_process_without_a_listener_has_no_connection_count():
    assert as_table(kernel.socket_readings(kernel.tcp_sockets(), frozenset())) == {}


def test_listen_overflows_are_found_by_name():
    text = (
        "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 333\n"
        "IpExt: InNoRoutes\nIpExt: 4\n"
    )
    assert as_table(kernel.overflow_readings(text)) == {("tcp_listen_overflows_total",): 22.0}


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_limits_of_version_two_control_groups_are_read(tmp_path):
    write(tmp_path, cgroup__controllers="cpu memory\n")
    write(
        tmp_path / "a",
        cpu__stat="usage_usec 5\nnr_periods 10\nnr_throttled 3\nthrottled_usec 1500000\n",
        cpu__max="150000 100000\n",
        memory__current="4096\n",
        memory__max="8192\n",
    )
    assert as_table(kernel.cgroup_readings("0::/a\n", tmp_path)) == {
        ("container_cpu_throttled_seconds_total",): 1.5,
        ("container_cpu_periods_total",): 10,
        ("container_cpu_throttled_periods_total",): 3,
        ("container_cpu_limit_cores",): 1.5,
        ("container_memory_usage_bytes",): 4096,
        ("container_memory_limit_bytes",): 8192,
    }


def test_limits_of_version_one_control_groups_are_read(tmp_path):
    """The path in /proc is the host's; the mount is the group itself."""
    write(
        tmp_path / "cpu",
        cpu__stat="nr_periods 10\nnr_throttled 3\nthrottled_time 2500000000\n",
        cpu__cfs_quota_us="50000\n",
        cpu__cfs_period_us="100000\n",
    )
    write(
        tmp_path / "memory",
        memory__usage_in_bytes="4096\n",
        memory__limit_in_bytes="9223372036854771712\n",
    )
    assert as_table(
        kernel.cgroup_readings("4:cpu,cpuacct:/docker/ab\n3:memory:/docker/ab\n", tmp_path)
    ) == {
        ("container_cpu_throttled_seconds_total",): 2.5,
        ("container_cpu_periods_total",): 10,
        ("container_cpu_throttled_periods_total",): 3,
        ("container_cpu_limit_cores",): 0.5,
        ("container_memory_usage_bytes",): 4096,
    }


def test_no_quota_means_no_limit(tmp_path):
    write(tmp_path, cgroup__controllers="", cpu__max="max 100000\n", memory__max="max\n")
    assert as_table(kernel.cgroup_readings("0::/\n", tmp_path)) == {}


def test_cpu_pressure_is_in_seconds_or_absent(tmp_path):
    write(
        tmp_path / "pressure",
        cpu="some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\nfull avg10=0.00 total=1\n",
    )
    assert as_table(kernel.pressure_readings(tmp_path)) == {
        ("pressure_cpu_waiting_seconds_total",): 2.5
    }
