"""The fault matrix: a profile played quietly, and then once for each of its faults; which alert noticed which, and how soon.

Every run has a stack and a database of its own, so no fault is held against what another one left behind. Which alerts have to notice it
stands in the profile, beside each fault. `play_all` plays; what its runs come to is pure, and reads run.json.
"""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.alerts.backtest import detection_bounds as least
from firedrill.alerts.rules import rule_file
from firedrill.drill.judge.verdict import Status
from firedrill.drill.play import progress as progress_for
from firedrill.drill.play.run import play
from firedrill.errors import BadInput
from firedrill.fault_client import spell
from firedrill.profile import AlertExpectations
from firedrill.stack import configuration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from firedrill.alerts.backtest.detection_bounds import Least
    from firedrill.drill.play.request import Request
    from firedrill.interrupt import Interrupt
    from firedrill.record.run_folder import Run
    from firedrill.terminal import Terminal

QUIET_AT_MOST_SECONDS = 240.0
"""How long nothing is wrong at most, in real time: at the default time scale enough for every alert of the bundle."""
SETTLING_SECONDS = 3.0
"""Until the load is what it will be, and the first of it was scraped."""

OF_THE_MACHINE = frozenset({"ApiCpuPressure", "ApiListenBacklog"})
"""What they read, the kernel counts for the whole machine: whoever else works there sets them off. Shown, and judged for no fault."""

QUIET = "quiet"
"""The column of the baseline."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What an alert did in one run."""

    alert: str
    judgement: str
    """detected or missed: the fault names it. also: it fired after a fault that does not. false: with nothing wrong yet. machine: the same,

    but set off by anybody on this machine. undecided: it was active before the fault and fired, or the run was cut short.
    """
    delay_seconds: float | None = None
    """After the fault began, or after the load did where there is none."""


@dataclass(frozen=True, slots=True)
class Column:
    """One run."""

    fault: str
    run: str
    status: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """All runs, and what is wrong with them."""

    status: Status
    reasons: tuple[str, ...]
    columns: tuple[Column, ...]
    least: Mapping[str, Least] = field(default_factory=dict)
    """How long each alert that occurs takes by its own definition."""
    unproven: tuple[str, ...] = ()
    """Alerts whose windows and `for` together are longer than the quiet run was: that they kept quiet in it proves little of them."""

    def write(self, folder: Path) -> Path:
        """Write matrix.json; returns the file."""
        file = folder / "matrix.json"
        file.write_text(self.text())
        return file

    def text(self) -> str:
        """As JSON."""
        leasts = {
            name: {**asdict(one), "seconds": one.seconds, "full_seconds": one.full_seconds}
            for name, one in self.least.items()
        }
        return json.dumps({**asdict(self), "least": leasts}, indent=2) + "\n"


# -- playing


def check(request: Request) -> None:
    """Raises BadInput for a profile without faults, and for a fault that nobody has to notice."""
    profile = request.profile
    if not profile.faults:
        raise BadInput(
            f"--matrix: profile {profile.name} sets no faults; expected some, each with its alerts"
        )
    for step in profile.faults:
        if not step.alerts:
            raise BadInput(
                f"--matrix: profile {profile.name}: {_named(step.sizes)} names no alerts; expected those that have to notice it"
            )


def play_all(
    request: Request, least_of: Mapping[str, Least], console: Terminal, interrupt: Interrupt
) -> Iterator[Run]:
    """Play the baseline and each fault; ends early when interrupted.

    Args:
        request: What is asked for.
        least_of: How long each alert takes, by its name.
        console: Where progress is shown.
        interrupt: Whether somebody asked to stop.

    Raises what `run.play` raises.
    """
    asked = list(requests_of(request, quiet_seconds(request, least_of)))
    for number, (title, one) in enumerate(asked, start=1):
        progress = progress_for.for_console(console, f"{number}/{len(asked)} {title}")
        try:
            yield play(one, interrupt, progress)
        finally:
            progress.close()
        if interrupt.requested:
            return


def quiet_seconds(request: Request, least_of: Mapping[str, Least]) -> float:
    """How long nothing is to be wrong: as asked for, or until the slowest alert would have fired, but not longer than is bearable."""
    slowest = max((one.full_seconds for one in least_of.values()), default=0.0)
    asked = request.ends_after_seconds if request.duration_seconds else None
    return asked or min(math.ceil(slowest + SETTLING_SECONDS), QUIET_AT_MOST_SECONDS)


def requests_of(request: Request, quiet_for_seconds: float) -> Iterator[tuple[str, Request]]:
    """What is played, with its title. The profile's load is the same in all, as its file says; what it expects beside that is no matter."""
    profile = replace(request.profile, slo=None, alerts=AlertExpectations(), abort_on_slo=False)
    begins = profile.faults[0].start_seconds
    quiet = replace(
        profile, name=f"{profile.name} {QUIET}", faults=(), duration_seconds=quiet_for_seconds
    )
    yield QUIET, replace(request, profile=quiet, duration_seconds=quiet_for_seconds)
    for step in profile.faults:
        seconds = begins + step.for_seconds
        faults = (replace(step, start_seconds=begins),)
        alone = replace(
            profile,
            name=f"{profile.name} {_named(step.sizes)}",
            faults=faults,
            duration_seconds=seconds,
        )
        yield (
            _named(step.sizes),
            replace(request, profile=alone, duration_seconds=seconds, until_firing=step.alerts),
        )


def _named(sizes: Mapping[str, float]) -> str:
    return " and ".join(spell(fault, size) for fault, size in sizes.items())


def leasts(request: Request) -> dict[str, Least]:
    """Of the rules as these runs load them."""
    with tempfile.TemporaryDirectory() as folder:
        configuration.write(Path(folder), (), request.rules, request.time_scale)
        files = sorted((Path(folder) / "rules").glob("*.yml"))
        return least.of_rules(group for file in files for group in rule_file.read(file))


# -- judging


def judge(documents: Sequence[Mapping[str, Any]], least_of: Mapping[str, Least]) -> Matrix:
    """What the runs come to: no fault without its alerts, and no alert without a fault. INVALID if one of the runs is."""
    columns = tuple(_column(document) for document in documents)
    reasons = tuple(
        reason
        for column, document in zip(columns, documents, strict=True)
        for reason in _reasons(column, document)
    )
    occurring = {cell.alert for column in columns for cell in column.cells}
    met = {name: one for name, one in least_of.items() if name in occurring}
    return Matrix(
        _status(columns, reasons),
        reasons,
        columns,
        met,
        _unproven(documents[0]["window"], least_of),
    )


def _unproven(quiet: Mapping[str, float] | None, least_of: Mapping[str, Least]) -> tuple[str, ...]:
    lasted = quiet["end"] - quiet["start"] if quiet else 0.0
    return tuple(sorted(name for name, one in least_of.items() if one.full_seconds > lasted))


def _column(document: Mapping[str, Any]) -> Column:
    faults, window = document["faults"], document["window"]
    begins = faults[0]["start"] - window["start"] if faults and window else None
    fault = next((_named(step["sizes"]) for step in document["profile"]["faults"]), QUIET)
    cells = tuple(_cells(document["scorecard"], begins))
    return Column(fault, document["id"], document["verdict"]["status"], cells)


def _cells(rows: Iterable[Mapping[str, Any]], begins: float | None) -> Iterator[Cell]:
    for row in rows:
        name, after = row["alert"], row["firing_after_seconds"]
        if row["expected"] == "fault":
            yield Cell(name, row["judgement"], row["delay_seconds"])
        elif after is not None and begins is not None and row["cause"]:
            yield Cell(name, "also", after - begins)
        elif after is not None:
            yield _causeless(name, after, begins)


def _causeless(name: str, after: float, begins: float | None) -> Cell:
    """Of an alert that became active with nothing wrong yet."""
    if name in OF_THE_MACHINE:
        return Cell(name, "machine", after)
    # What began meanwhile may have kept it pending, or not.
    return (
        Cell(name, "false", after) if begins is None or after < begins else Cell(name, "undecided")
    )


def _reasons(column: Column, document: Mapping[str, Any]) -> Iterator[str]:
    told = [
        *document["verdict"]["reasons"],
        *(row for row in document["scorecard"] if row["judgement"] == "undecided"),
    ]
    yield from (f"{column.fault}: {one['text']}" for one in told)
    for cell in column.cells:
        if cell.judgement == "false":
            yield f"{column.fault}: the alert {cell.alert} fired after {units.seconds(cell.delay_seconds)}, with nothing wrong yet"


def _status(columns: Sequence[Column], reasons: Sequence[str]) -> Status:
    for status in (Status.INTERRUPTED, Status.INVALID):
        if any(column.status == status for column in columns):
            return status
    return Status.FAILED if reasons else Status.PASSED
