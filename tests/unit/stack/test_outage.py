"""An outage of the example API finds the sockets of its process while the server closes some."""

import os
import socket
from contextlib import ExitStack

from api.outage import _sockets
from firedrill.contract import LOOPBACK


def test_a_copy_is_not_taken_for_a_socket_of_the_server():
    """A copy may get the number of a connection that was closed since the numbers were listed."""
    with ExitStack() as stack:
        for _ in range(
            50
        ):  # low numbers that are free would be taken before that of the closed one
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        first = stack.enter_context(socket.create_server((LOOPBACK, 0)))
        listener, connection = (
            stack.enter_context(socket.create_server((LOOPBACK, 0))),
            socket.socket(),
        )
        assert first.fileno() < listener.fileno() < connection.fileno()
        expected, copies = [listener.fileno()], []
        for descriptor, copy in _sockets():
            stack.enter_context(copy)
            connection.close()  # while the first copies are made
            if copy.getsockname() == listener.getsockname():
                copies.append(descriptor)
    assert copies == expected
