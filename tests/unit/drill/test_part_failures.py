"""The reason for a process that ended says when, why, and whether the locustfile meant it."""

import signal
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from firedrill.drill.play.part_failures import note_ended_parts
from firedrill.processes import oom
from firedrill.record.generator_outcome import GeneratorOutcome
from firedrill.record.outcome import ExceptionKind

BEGAN = GeneratorOutcome(setup_began=1.0, began=2.0)
OVER = GeneratorOutcome(setup_began=1.0, began=2.0, stopped=3.0)
RAISED = ExceptionKind("quitting", "KeyError", "", "my.py:3", 1)


@dataclass
class Ended:
    code: int | None
    name: str = "part"

    def exit_code(self):
        return self.code

    def last_log_line(self):
        return "the last line"


@dataclass
class State:
    """The parts of a RunState that are looked at."""

    stack: SimpleNamespace
    outcome: GeneratorOutcome = field(default_factory=GeneratorOutcome)
    load_has_begun: bool = False
    load_is_over: bool = False
    mishaps: dict = field(default_factory=dict)
    remarks: dict = field(default_factory=dict)
    killed_for_memory: int = 0

    def oom_kills(self):
        return self.killed_for_memory


def state(outcome=BEGAN, *, workers=(), unfinished=None, load_ended=False, killed=0, **codes):
    names = ("api", "prometheus", "locust", "alertmanager", "notifications")
    parts = {name: Ended(codes[name]) if name in codes else None for name in names}
    stack = SimpleNamespace(
        **parts,
        workers=[Ended(code, f"worker-{number}") for number, code in enumerate(workers)],
        unfinished=unfinished,
        load_ended=lambda: load_ended,
        generator_outcome=lambda: outcome,
    )
    return State(stack, killed_for_memory=killed)


def noted(state):
    note_ended_parts(state)
    return {reason.code: reason.text for reason in state.mishaps.values()}


@pytest.mark.parametrize(
    ("outcome", "when"),
    [
        (GeneratorOutcome(setup_began=1.0), "before the load began"),
        (BEGAN, "in mid-run"),
        (OVER, "after the load"),
    ],
)
@pytest.mark.parametrize(
    ("part", "name"),
    [("locust", "Locust"), ("prometheus", "Prometheus"), ("api", "the API's process")],
)
def test_mid_run_is_said_of_mid_run_only(outcome, when, part, name):
    texts = noted(state(outcome, **{part: -signal.SIGKILL}))
    assert texts == {f"{part}_ended": f"{name} ended {when} (killed by SIGKILL): the last line"}


def test_the_memory_killer_needs_evidence():
    text = noted(state(locust=-signal.SIGKILL, killed=2))["locust_ended"]
    assert "(killed by SIGKILL, perhaps by the out-of-memory killer: oom_kill rose by 2)" in text
    assert "oom_kill" not in noted(state(locust=-signal.SIGSEGV, killed=2))["locust_ended"]


def test_kills_are_counted_from_the_start_on(tmp_path):
    file = tmp_path / "memory.events"
    file.write_text("oom 4\noom_kill 3\noom_group_kill 0\n")
    kills = oom.counter((file, tmp_path / "missing"))
    assert kills() == 0
    file.write_text("oom 5\noom_kill 5\noom_group_kill 0\n")
    assert kills() == 2


@pytest.mark.parametrize("outcome", [BEGAN, OVER])
def test_an_exit_code_of_the_locustfile_is_its_own_check(outcome):
    set_code = GeneratorOutcome(
        **{name: getattr(outcome, name) for name in ("setup_began", "began", "stopped")},
        exit_code=3,
    )
    assert noted(state(set_code, locust=3)) == {
        "own_check_failed": "the locustfile's own check failed: it set exit code 3"
    }


def test_locusts_exit_code_for_a_listener_is_explained():
    explained = GeneratorOutcome(1.0, 2.0, 3.0, exceptions=(RAISED,))
    assert noted(state(explained, locust=2, workers=[2])) == {}
    task = GeneratorOutcome(1.0, 2.0, 3.0, exceptions=(ExceptionKind("task", "E", "", "", 1),))
    assert "ended after the load (exit code 2)" in noted(state(task, locust=2))["locust_ended"]


def test_a_tear_down_that_was_cut_short_is_named():
    why = "it had not ended 8 s after it was told to stop"
    text = noted(state(OVER, locust=-signal.SIGTERM, unfinished=why))["locust_ended"]
    assert text == f"Locust ended after the load (killed by SIGTERM; {why}): the last line"


def test_a_workers_exit_code_after_the_load_is_its_own_check():
    assert noted(state(OVER, workers=[0, 1])) == {
        "own_check_failed": "the locustfile's own check failed: worker 2 ended with exit code 1"
    }
    died = noted(state(BEGAN, workers=[-signal.SIGKILL]))
    assert died == {
        "worker_ended": "worker 1 of Locust ended in mid-run (killed by SIGKILL): the last line"
    }


def test_an_end_in_order_is_no_mishap():
    assert noted(state(OVER, locust=0, workers=[0, None])) == {}
