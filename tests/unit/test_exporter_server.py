"""Where the exporter serves its page."""

import socket

import pytest
from locust_exporter.server import Server
from locust_exporter.settings import Settings

from firedrill.errors import BadInput


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_taken_default_moves_to_the_next_free_port(taken):
    assert taken < Server(lambda *_: "").start(Settings(port=taken)) < taken + 50


def test_a_taken_port_that_was_asked_for_is_an_error(taken):
    with pytest.raises(BadInput, match=f"127.0.0.1:{taken}: Address already in use; set FIREDRILL_EXPORTER_PORT"):
        Server(lambda *_: "").start(Settings(port=taken, port_was_asked_for=True))
