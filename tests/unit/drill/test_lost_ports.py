"""A part that lost its port is told from one that failed otherwise."""

from types import SimpleNamespace

import pytest

from firedrill.drill.play.part_failures import note_ended_parts
from firedrill.record.generator_outcome import GeneratorOutcome
from firedrill.stack.interface import PortLost

TAKEN = (
    "locust.exception.RPCError: Socket bind failure: Address already in use"
    " (addr='tcp://127.0.0.1:20001')"
)


class Ended:
    """Locust that ended with this last line in its log."""

    name = "locust"

    def __init__(self, log, line):
        self.log = log
        self._line = line
        log.write_text(line)

    def exit_code(self):
        return 1

    def last_log_line(self):
        return self._line


def state_of(locust):
    stack = SimpleNamespace(
        api=None,
        prometheus=None,
        locust=locust,
        workers=(),
        alertmanager=None,
        notifications=None,
        unfinished=None,
        generator_outcome=GeneratorOutcome,
    )
    request = SimpleNamespace(locustfile=locust.log)
    return SimpleNamespace(
        stack=stack,
        request=request,
        mishaps={},
        remarks={},
        load_has_begun=False,
        load_is_over=False,
    )


def test_a_master_whose_port_was_taken_is_started_again(tmp_path):
    with pytest.raises(PortLost, match=r"master ended before the load: .*127\.0\.0\.1:20001"):
        note_ended_parts(state_of(Ended(tmp_path / "locust.log", TAKEN)))


def test_another_end_of_locust_is_not_a_lost_port(tmp_path):
    state = state_of(Ended(tmp_path / "locust.log", "Killed"))
    note_ended_parts(state)
    assert list(state.mishaps) == ["locust_ended"]
