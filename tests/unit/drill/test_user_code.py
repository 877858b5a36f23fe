"""Exceptions of the locustfile in the verdict and its reasons."""

from dataclasses import replace

import pytest

from firedrill.drill.judge import notes
from firedrill.drill.judge.verdict import judge
from firedrill.record.generator_outcome import GeneratorOutcome
from firedrill.record.outcome import ExceptionKind, Reason, Status
from tests.unit.healthy_run import HEALTHY, PROFILE, run_document

RAISED = ExceptionKind("task", "RuntimeError", "no loop", "my.py:11", 124)


def crashed(count):
    return replace(HEALTHY, honesty=replace(HEALTHY.honesty, exceptions=count))


def test_the_reason_has_the_commonest_exception():
    kinds = (
        replace(RAISED, type="KeyError", count=3),
        RAISED,
        replace(RAISED, source="request", count=500),
    )
    verdict = judge(PROFILE, crashed(127), [], exceptions=kinds)
    text = next(reason.text for reason in verdict.reasons if reason.code == "task_exceptions")
    most = "most often RuntimeError: no loop (my.py:11, 124 times)"
    assert text.startswith(f"127 tasks ended with an exception, {most}, beside 1000 requests")


def test_the_remark_has_the_commonest_exception():
    (remark,) = notes.remarks(
        run_document(figures=crashed(1), exceptions=(replace(RAISED, count=1),))
    )
    assert "most often RuntimeError: no loop (my.py:11), beside 0 failed" in remark.text


@pytest.mark.parametrize(
    ("source", "status", "code"),
    [
        ("test_start", Status.INVALID, "set_up_failed"),
        ("request", Status.INVALID, "listener_raised"),
        ("spawning_complete", Status.INVALID, "listener_raised"),
        ("test_stop", Status.FAILED, "tear_down_failed"),
        ("quitting", Status.FAILED, "tear_down_failed"),
    ],
)
def test_a_listener_that_raised_is_named(source, status, code):
    kinds = (
        replace(RAISED, source=source),
        replace(RAISED, source=source, place="my.py:2", count=1),
    )
    verdict = judge(PROFILE, HEALTHY, [], exceptions=kinds)
    (reason,) = verdict.reasons
    assert (verdict.status, reason.code) == (status, code)
    assert reason.text.startswith(
        f"a {source} listener of the locustfile raised RuntimeError: no loop"
        " (my.py:11, 124 times), and 1 of other kinds"
    )


def test_exceptions_of_tasks_alone_give_no_listener():
    assert judge(PROFILE, HEALTHY, [], exceptions=(RAISED,)).status is Status.PASSED


def test_a_failed_check_of_the_locustfile_fails_the_run():
    failed = Reason("own_check_failed", "the locustfile's own check failed: it set exit code 1")
    verdict = judge(PROFILE, HEALTHY, [failed])
    assert (verdict.status, verdict.reasons) == (Status.FAILED, (failed,))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"exceptions": 1}', '{"exceptions": [{}]}'])
def test_an_unreadable_outcome_tells_nothing(text):
    assert GeneratorOutcome.parse(text) == GeneratorOutcome()
