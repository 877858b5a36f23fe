"""The line of Compose's output that names the cause of a failed start is found."""

from firedrill.stack.containers import engine

TAKEN = """\
Creating network "firedrill-1_inside" with driver "bridge"
ERROR: for prometheus  Cannot start service: Error starting userland proxy: \
listen tcp4 127.0.0.1:9090: bind: address already in use
Encountered errors while bringing up the project.
"""


def test_the_cause_names_a_taken_port():
    assert engine.cause(TAKEN).endswith("listen tcp4 127.0.0.1:9090: bind: address already in use")


def test_an_engine_without_output_gave_no_reason():
    assert engine.cause(" \n") == "it gave no reason"
