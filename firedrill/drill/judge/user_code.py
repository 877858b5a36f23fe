"""Exceptions of the user's tasks and listeners, as reasons and as parts of reasons. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firedrill import units
from firedrill.record.outcome import TASK, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from firedrill.record.outcome import ExceptionKind

SET_UP = "test_start"
TEAR_DOWN = frozenset({"test_stopping", "test_stop", "quitting", "quit"})
"""Events after the load, in whose listeners locustfiles check and clean up."""


def listener_reasons(exceptions: Iterable[ExceptionKind]) -> Iterator[Reason]:
    """Yield a reason for each event whose listeners raised."""
    by_source: dict[str, list[ExceptionKind]] = {}
    for kind in exceptions:
        if kind.source != TASK:
            by_source.setdefault(kind.source, []).append(kind)
    for source, kinds in by_source.items():
        yield _listener_reason(source, kinds)


def _listener_reason(source: str, kinds: Sequence[ExceptionKind]) -> Reason:
    raised = f"a {source} listener of the locustfile raised {commonest(kinds)}"
    if source == SET_UP:
        return Reason(
            "set_up_failed", f"{raised}; the set-up failed, so the load may lack its data"
        )
    if source in TEAR_DOWN:
        return Reason("tear_down_failed", f"{raised}; what it was to check or clean up is not done")
    return Reason("listener_raised", f"{raised}; what it was to do or count is missing")


def commonest(kinds: Sequence[ExceptionKind]) -> str:
    """Return the commonest kind in words, and how many exceptions are of other kinds."""
    most = max(kinds, key=lambda kind: kind.count)
    others = sum(kind.count for kind in kinds) - most.count
    return f"{most.text()}, and {units.count(others)} of other kinds" if others else most.text()


def crashed_tasks(crashed: float, exceptions: Iterable[ExceptionKind]) -> str:
    """Return how many tasks crashed, and on which exception most often."""
    text = f"{units.count(crashed)} tasks ended with an exception"
    kinds = [kind for kind in exceptions if kind.source == TASK]
    if not kinds:
        return text
    return f"{text}, most often {max(kinds, key=lambda kind: kind.count).text()}"
