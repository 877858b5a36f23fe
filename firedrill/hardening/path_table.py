"""The path of a search at the terminal: a row for each run, and the command line to paste."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.diagnosis.sentences import OPTIONS
from firedrill.drill.show.fitted_table import Column, FittedTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firedrill.hardening.search import Setting, Step, Trial
    from firedrill.record.figures import Figures

COLUMNS = (
    Column("run", is_number=True),
    Column("setting"),
    Column("verdict", keep_whole=True),
    Column("bottleneck"),
    Column("predicted p99", is_number=True),
    Column("measured p99", is_number=True),
    Column("predicted rate", is_number=True, drop_order=1),
    Column("measured rate", is_number=True, drop_order=2),
)


def table(trials: Sequence[Trial]) -> FittedTable:
    """Return the runs in order, with prediction and measurement beside each other."""
    return FittedTable(
        COLUMNS, [_row(number, trial) for number, trial in enumerate(trials, start=1)]
    )


def _row(number: int, trial: Trial) -> tuple[str, ...]:
    predicted, figures = trial.predicted, trial.document.figures
    diagnosis = trial.diagnosis
    limiting = (diagnosis.bottleneck if diagnosis else None) or units.NOTHING
    return (
        str(number),
        words(trial.setting),
        trial.document.status,
        limiting.replace("_", " "),
        units.latency(predicted.p99_seconds if predicted else None),
        _measured_p99(figures),
        units.rate(predicted.rate if predicted else None),
        units.rate(figures.client.rate if figures else None),
    )


def _measured_p99(figures: Figures | None) -> str:
    if figures is None:
        return units.NOTHING
    text = units.latency(figures.client.latency_including_waiting_seconds.get("p99"))
    return units.at_least(text) if "p99" in figures.client.at_least else text


def words(setting: Setting) -> str:
    """Return a setting as `threads=18 connection_limit=242`."""
    return " ".join(f"{name}={value}" for name, value in setting.items())


def command(profile: str, server: str, setting: Setting) -> str:
    """Return the command line that plays the profile with this setting."""
    options = [word for name, value in setting.items() for word in (OPTIONS[name], str(value))]
    kind = [] if server == "waitress" else ["--server", server]
    return shlex.join(["firedrill", "run", profile, *kind, *options])


def conclusion(step: Step) -> str:
    """Return the end of the search as a sentence."""
    if step.answer is None:
        return f"No setting passed twice: {step.reason}"
    return f"{words(step.answer)} passed twice; {step.reason}."


def content(trials: Sequence[Trial], step: Step) -> dict[str, Any]:
    """Return the search for machines."""
    return {
        "setting": step.answer,
        "reason": step.reason,
        "path": [
            {
                "run": trial.document.id,
                "setting": trial.setting,
                "status": trial.document.status,
                "bottleneck": trial.diagnosis.bottleneck if trial.diagnosis else None,
                "predicted_p99_seconds": trial.predicted.p99_seconds if trial.predicted else None,
                "predicted_rate": trial.predicted.rate if trial.predicted else None,
                "p99_seconds": _p99(trial.document.figures),
                "rate": trial.document.figures.client.rate if trial.document.figures else None,
            }
            for trial in trials
        ],
    }


def _p99(figures: Figures | None) -> float | None:
    return figures.client.latency_including_waiting_seconds.get("p99") if figures else None
