"""A run of a profile: start the parts, watch the load, and record what happened."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firedrill.drill.play import progress as progress_for
from firedrill.drill.play.fault_schedule import FaultInjector
from firedrill.drill.play.load_watch import LoadWatch, end_load
from firedrill.drill.play.recording import record
from firedrill.drill.play.run_state import RunState
from firedrill.drill.play.startup import make_stack, start
from firedrill.errors import BadInput
from firedrill.interrupt import Interrupted
from firedrill.record.run_folder import Run
from firedrill.stack.containers import container_stack
from firedrill.stack.interface import PortLost
from firedrill.stack.plan import Ports

STARTS = 4
"""How often a stack is started whose ports other processes take."""

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from firedrill.drill.play.progress import Progress
    from firedrill.drill.play.request import Request
    from firedrill.interrupt import Interrupt
    from firedrill.terminal import Terminal


def play_in_turn(
    runs: Sequence[tuple[str, Request]],
    console: Terminal,
    interrupt: Interrupt,
    progress_of: Callable[[Terminal, str], Progress] = progress_for.for_console,
) -> Iterator[Run]:
    """Play requests, each with its title, one after the other; ends early when interrupted.

    Raises what `play` raises.
    """
    for number, (title, request) in enumerate(runs, start=1):
        progress = progress_of(console, f"{number}/{len(runs)} {title}")
        try:
            yield play(request, interrupt, progress)
        finally:
            progress.close()
        if interrupt.requested:
            return


def watch_load(state: RunState) -> None:
    """Watch the load until the profile ends it, or somebody asks to stop."""
    LoadWatch(state).watch()


def play(
    request: Request,
    interrupt: Interrupt,
    progress: Progress,
    drive: Callable[[RunState], None] = watch_load,
    record: Callable[[RunState], None] = record,
) -> Run:
    """Play a profile once; returns the recorded run, with its verdict in run.json.

    Args:
        request: What to play.
        interrupt: Ends the load early.
        progress: Shows how the run goes.
        drive: Returns when the load is to end. Called anew if the stack had to start anew.
        record: Writes run.json, while the stack still runs.

    Raises:
        BadInput: the profile, a file or a port cannot be used; nothing was recorded.
        Missing: a program is missing, or the target or a part never answered.
    """
    request.check()
    if request.docker:
        progress.phase("building the images")
        # Before ports are chosen: a build takes minutes, in which others may take them.
        container_stack.build(interrupt)
    run = Run.create(request.out.absolute(), request.title)
    with _removed_on_bad_input(run):
        for starts_left in reversed(range(STARTS)):
            try:
                _play_once(_Play(request, run, interrupt, progress, drive, record))
            except PortLost as error:
                if not starts_left:
                    raise
                progress.phase(f"starting again on another port: {error}")
                shutil.rmtree(run.folder / "prometheus", ignore_errors=True)
            else:
                break
    return run


@dataclass(frozen=True, slots=True)
class _Play:
    """A run to be played."""

    request: Request
    run: Run
    interrupt: Interrupt
    progress: Progress
    drive: Callable[[RunState], None]
    record: Callable[[RunState], None]


def _play_once(play: _Play) -> None:
    """Play the request on ports of its own.

    Raises what `play` does, and PortLost where another process took one of them.
    """
    run = play.run
    with Ports.choose(play.request.ports) as ports:
        state = _state(play, ports)
        with state.stack:
            try:
                start(state)
                play.drive(state)
                end_load(state)
            except Interrupted:
                play.progress.phase("interrupted before the load began")
            play.record(state)
    if run.snapshot.is_dir():
        state.stack.discard_data()


def _state(play: _Play, ports: Ports) -> RunState:
    request = play.request
    stack = make_stack(request, play.run, ports, play.interrupt)
    attachment = request.attachment
    faults_url = attachment.faults_url if attachment else stack.plan.faults_url
    return RunState(
        request=request,
        run=play.run,
        stack=stack,
        injector=FaultInjector(faults_url or "nowhere", request.profile.faults),
        generator=request.generator(),
        interrupt=play.interrupt,
        progress=play.progress,
        awaited_alerts=set(request.until_firing),
    )


@contextmanager
def _removed_on_bad_input(run: Run) -> Iterator[None]:
    """Remove the folder of a run that the user's input made impossible."""
    try:
        yield
    except BadInput:
        run.remove()
        raise
