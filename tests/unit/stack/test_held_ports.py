"""A chosen port belongs to its run until a part of that run listens on it."""

import socket
import subprocess
import sys

import pytest

from firedrill import inherited_sockets
from firedrill.errors import BadInput
from firedrill.processes import ports, starter
from firedrill.record.run_folder import Run
from firedrill.stack.plan import PORT_OPTIONS, Ports
from tests.waiting import PATIENCE_SECONDS

CHOOSE = """
import sys
from firedrill.processes import ports
print(ports.is_free(int(sys.argv[1])), flush=True)
"""
LISTEN = """
import sys
from firedrill import inherited_sockets
listener = inherited_sockets.listener(sys.argv[1], int(sys.argv[2]), 8)
print("inherited" if listener else "none", flush=True)
listener and listener.accept()[0].sendall(b"hello")
"""


@pytest.fixture
def held():
    held = ports.hold_any()
    yield held
    held.release()


def listen_elsewhere(port):
    """Listen as a server does."""
    with socket.create_server(("127.0.0.1", port)):
        pass


def is_free_to_another_process(port):
    answer = subprocess.run(
        [sys.executable, "-c", CHOOSE, str(port)], capture_output=True, text=True, check=True
    )
    return answer.stdout == "True\n"


def test_nobody_else_gets_a_held_port(held):
    assert not is_free_to_another_process(held.number)
    with pytest.raises(OSError, match="Address already in use"):
        listen_elsewhere(held.number)
    held.release()
    assert is_free_to_another_process(held.number)


def test_a_shared_port_is_for_our_child_and_no_other_run(held):
    held.share()
    assert not is_free_to_another_process(held.number)
    listen_elsewhere(held.number)


def test_a_handed_over_port_is_for_a_container_and_no_other_run(held):
    held.hand_over()
    assert not is_free_to_another_process(held.number)
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", held.number))


def test_a_port_in_use_since_the_last_run_can_be_held(held):
    held.share()
    address = ("127.0.0.1", held.number)
    with (
        socket.create_server(address) as server,
        socket.create_connection(address, PATIENCE_SECONDS) as client,
    ):
        server.accept()[0].close()
        assert client.recv(1) == b""
    held.release()
    again = ports.hold(held.number)  # the kernel keeps the closed connection for a minute
    assert again
    again.release()


@pytest.mark.parametrize(("host", "expected"), [("127.0.0.1", "inherited"), ("0.0.0.0", "none")])
def test_a_child_listens_on_the_socket_of_its_address(held, host, expected):
    command = [sys.executable, "-c", LISTEN, host, str(held.number)]
    with starter.start(command, stdout=subprocess.PIPE, sockets=[held.lend()]) as child:
        held.hand_over()
        assert child.stdout.readline().decode().strip() == expected
        if expected == "inherited":
            address = ("127.0.0.1", held.number)
            with socket.create_connection(address, PATIENCE_SECONDS) as client:
                assert client.recv(5) == b"hello"


@pytest.mark.parametrize("variable", ["nonsense", "=", "1=2=3", "80=x", "{port}=0", "{port}=999"])
def test_sockets_that_are_not_there_are_not_inherited(monkeypatch, held, variable):
    monkeypatch.setenv(inherited_sockets.VARIABLE, variable.format(port=held.number))
    assert inherited_sockets.listener("127.0.0.1", held.number, 8) is None


def test_all_ports_of_a_stack_are_held_until_it_ends():
    with Ports.choose(dict.fromkeys(PORT_OPTIONS)) as chosen:
        numbers = [getattr(chosen, name) for name in PORT_OPTIONS]
        assert not any(map(ports.is_free, numbers))
        with pytest.raises(BadInput, match=f"--web-port {chosen.api}: port .* is taken"):
            Ports.choose({"web": chosen.api})
    assert all(map(ports.is_free, numbers))


def test_a_refused_choice_holds_nothing(held):
    wanted = ports.any_free()
    with pytest.raises(BadInput, match="--web-port"):
        Ports.choose({"api": wanted, "web": held.number})
    assert ports.is_free(wanted)


def test_runs_of_one_second_in_different_folders_have_different_ids(tmp_path):
    assert len({Run.create(tmp_path / name, "launch dev").id for name in "abc"}) == 3
