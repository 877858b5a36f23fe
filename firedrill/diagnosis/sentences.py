"""Advice, prediction and comparison in words."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from firedrill import units

if TYPE_CHECKING:
    from firedrill.record.diagnosis import Diagnosis, Prediction, PredictionCheck, SettingAdvice
    from firedrill.record.run_document import RunDocument

OPTIONS = {
    "processes": "--processes",
    "threads": "--threads",
    "connection_limit": "--connection-limit",
}
"""Options of `firedrill run` by setting."""


def of_diagnosis(diagnosis: Diagnosis) -> list[str]:
    """Return the findings, and how far an earlier prediction was off."""
    checked = [of_check(diagnosis.check)] if diagnosis.check else []
    return [*diagnosis.findings, *checked]


def next_command(document: RunDocument) -> str | None:
    """Return the command that follows the advice; None where nothing is predicted of it."""
    diagnosis, server = document.diagnosis, document.server
    if not diagnosis or not diagnosis.prediction or not server:
        return None
    words = ["firedrill", "run", document.profile.source or document.profile.name]
    if server.kind != "waitress":
        words += ["--server", server.kind]
    for setting, value in diagnosis.prediction.settings.items():
        if setting not in OPTIONS:
            return None
        words += [OPTIONS[setting], str(value)]
    return shlex.join(words)


def of_advice(advice: SettingAdvice) -> str:
    """Return the advice as a sentence."""
    name = advice.setting.replace("_", " ")
    return f"{name[0].upper()}{name[1:]}: {advice.recommended} ({advice.derivation})."


def of_prediction(expected: Prediction) -> str:
    """Return the prediction as a sentence."""
    shares = (f", {stage} {units.percent(ratio)} used" for stage, ratio in expected.used.items())
    settings = ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in expected.settings.items()
    )
    return (
        f"Prediction for {settings} ({expected.workload} workload of this profile): p99 about"
        f" {units.latency(expected.p99_seconds)}, {units.rate(expected.rate)}{''.join(shares)}."
    )


def of_check(found: PredictionCheck) -> str:
    """Return the comparison of a prediction with this run, as a sentence."""
    predicted = found.predicted
    return (
        f"Run {found.run} predicted p99 {units.latency(predicted.p99_seconds)} and"
        f" {units.rate(predicted.rate)} for this setting; measured"
        f" {units.latency(found.p99_seconds)} ({_off(found.p99_error)}) and"
        f" {units.rate(found.rate)} ({_off(found.rate_error)})."
    )


def _off(error: float) -> str:
    return f"{error:+.0%}".replace("%", " %")
