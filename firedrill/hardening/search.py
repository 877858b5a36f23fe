"""The search for the smallest setting with which a server passes a profile. No I/O.

Up: each run's diagnosis says which value suffices. Down: the prediction of the passed run says
which smaller setting still passes; between one that failed and one that passed, the search halves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from firedrill import units
from firedrill.diagnosis.prediction import P99_TOLERANCE, predict
from firedrill.record.outcome import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firedrill.hardening.ranges import SettingRange
    from firedrill.profile import Profile
    from firedrill.record.diagnosis import Diagnosis, Prediction, ServiceModel
    from firedrill.record.run_document import RunDocument

Setting = dict[str, int]
"""Values by name of the setting."""

PASSES = 2
"""Runs that the answer has to pass."""

KEPT_RATE = 0.95
"""Share of the rate that a smaller setting has to keep where no objective decides."""

OWN_DESCRIPTORS = 2
"""Descriptors of its own that waitress counts against its connection limit."""

STAGE_SETTINGS = {
    "workers": "threads",
    "connections": "connection_limit",
    "cpu": "processes",
    "event_loop": "processes",
}
"""The setting that widens a stage."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A run of the search, with its setting and its result."""

    setting: Setting
    predicted: Prediction | None
    document: RunDocument

    @property
    def passed(self) -> bool:
        """Whether the run passed."""
        return self.document.status == Status.PASSED

    @property
    def failed(self) -> bool:
        """Whether the run failed. An INVALID one shows nothing."""
        return self.document.status == Status.FAILED

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The diagnosis of the run."""
        return self.document.diagnosis


@dataclass(frozen=True, slots=True)
class Step:
    """The next step: a setting to play, or the reason to end."""

    setting: Setting | None
    predicted: Prediction | None = None
    reason: str = ""
    answer: Setting | None = None
    """The smallest setting that passed twice; None where there is none."""


@dataclass
class Search:
    """Chooses the next setting from the trials so far."""

    profile: Profile
    seconds: float
    """Length of the load."""
    ranges: Sequence[SettingRange]
    defaults: Mapping[str, int]
    """The server's own values."""
    most_runs: int
    trials: list[Trial] = field(default_factory=list)
    _predictions: dict[Any, Prediction | None] = field(default_factory=dict)

    def next(self) -> Step:
        """Return the next step."""
        answer = self._answer()
        if not self.trials:
            return Step({one.name: one.clipped(self.defaults[one.name]) for one in self.ranges})
        if not (self.trials[-1].passed or self.trials[-1].failed):
            return self._again()
        if self._smallest_passed() is None:
            return self._up()
        step = self._down(answer)
        if step.setting is not None and len(self.trials) >= self.most_runs:
            ended = f"the budget of {units.counted(self.most_runs, 'run')} is used up"
            return Step(None, reason=ended, answer=answer)
        return step

    def _again(self) -> Step:
        """Return the setting of an INVALID run once more; two of them end the search."""
        last = self.trials[-1]
        before = self.trials[-2].setting if len(self.trials) > 1 else None
        status = last.document.status
        is_first = before != last.setting or self.trials[-2].passed or self.trials[-2].failed
        if status == Status.INVALID and is_first and len(self.trials) < self.most_runs:
            return Step(last.setting, last.predicted)
        reason = f"the last run is {status}, which decides nothing"
        return Step(None, reason=reason, answer=self._answer())

    # -- up

    def _up(self) -> Step:
        """Return the setting that the diagnosis of the last run predicts to suffice."""
        last = self.trials[-1]
        if len(self.trials) >= self.most_runs:
            ended = f"the budget of {units.counted(self.most_runs, 'run')} is used up"
            return Step(None, reason=f"{ended}, and no run passed")
        diagnosis = last.diagnosis
        if diagnosis is None or diagnosis.bottleneck is None:
            return Step(
                None, reason="no stage was saturated, so no limit of the server breaks the SLO"
            )
        advised = {
            one.name: one.clipped(max(last.setting[one.name], diagnosis.settings[one.name]))
            for one in self.ranges
            if one.name in diagnosis.settings
        }
        widened = STAGE_SETTINGS.get(diagnosis.bottleneck)
        in_range = next((one for one in self.ranges if one.name == widened), None)
        if in_range is None:
            return Step(None, reason=f"no setting to try helps. {_first(diagnosis)}")
        following = {**last.setting, **advised}
        if following[in_range.name] == last.setting[in_range.name]:
            # The advice was followed, and was not enough.
            following[in_range.name] = in_range.clipped(2 * last.setting[in_range.name])
        if following == last.setting:
            end = f"{in_range.name}={in_range.highest} is the end of its range"
            return Step(None, reason=f"{end} and does not suffice. {_first(diagnosis)}")
        return Step(following, self._predicted(following, diagnosis.model))

    # -- down

    def _down(self, answer: Setting | None) -> Step:
        """Return a smaller setting, or the smallest passed one again to confirm it."""
        best = self._smallest_passed()
        assert best is not None
        runs_left = self.most_runs - len(self.trials)
        smaller = self._smaller(best)
        must_confirm = self._passes(best) < PASSES and (smaller is None or runs_left <= 1)
        if must_confirm or smaller is None:
            if self._passes(best) >= PASSES:
                return Step(None, reason=self._why_no_smaller(best), answer=answer)
            return Step(best, self._predicted(best, self._model()))
        return Step(smaller, self._predicted(smaller, self._model()))

    def _smaller(self, best: Setting) -> Setting | None:
        """Return the next smaller setting that may pass; None where nothing says that one does."""
        failed = self._failed_values()
        lowered = {}
        for one in self.ranges:
            value = best[one.name]
            highest_failed = failed.get(one.name, one.lowest - 1)
            wanted = max(self._needed(one, best), one.lowest)
            if wanted <= highest_failed:
                wanted = (highest_failed + value) // 2
            lowered[one.name] = wanted if highest_failed < wanted < value else value
        is_known = lowered == best or any(trial.setting == lowered for trial in self.trials)
        return None if is_known else lowered

    def _needed(self, one: SettingRange, best: Setting) -> int:
        """Return the smallest value that is predicted to pass with a reserve for its error."""
        if one.name == "threads":
            return self._needed_threads(one, best)
        advised = [
            advice.at_least
            for trial in self.trials
            if trial.diagnosis
            for advice in trial.diagnosis.advice
            if advice.setting == one.name
        ]
        if self.profile.open_loop is None and one.name == "connection_limit":
            advised.append(self._most_users() + OWN_DESCRIPTORS)
        return max(advised, default=best[one.name])

    def _most_users(self) -> int:
        """Return the most users of the profile; each keeps a connection."""
        seconds = range(int(self.seconds) + 1)
        return max(math.ceil(self.profile.scheduled_users(second)) for second in seconds)

    def _needed_threads(self, one: SettingRange, best: Setting) -> int:
        low, high = one.lowest, best[one.name]
        while low < high:
            middle = (low + high) // 2
            predicted = self._predicted({**best, one.name: middle}, self._model())
            if predicted is None:
                return best[one.name]
            if self._passes_by(predicted, best):
                high = middle
            else:
                low = middle + 1
        return high

    def _passes_by(self, predicted: Prediction, best: Setting) -> bool:
        """Return whether a prediction keeps the objectives, with a reserve for its error."""
        slo = self.profile.slo
        objective = slo.latency_seconds.get("p99") if slo else None
        full = self._predicted(best, self._model())
        achieved = (slo.achieved_ratio if slo else None) or (0.0 if objective else KEPT_RATE)
        keeps_rate = full is None or predicted.rate >= achieved * full.rate
        reserve = 1 + P99_TOLERANCE
        return keeps_rate and (objective is None or predicted.p99_seconds * reserve <= objective)

    def _failed_values(self) -> Mapping[str, int]:
        """Return the largest value of each setting with which its own stage was the bottleneck."""
        failed: dict[str, int] = {}
        for trial in self.trials:
            if not trial.failed:
                continue
            bottleneck = trial.diagnosis.bottleneck if trial.diagnosis else None
            own = STAGE_SETTINGS.get(bottleneck or "")
            # Without a bottleneck among the settings, any of them may have been too small.
            names = [own] if own in trial.setting else list(trial.setting)
            for name in names:
                if name is not None:
                    failed[name] = max(failed.get(name, 0), trial.setting[name])
        return failed

    # -- what is known

    def _passes(self, setting: Setting) -> int:
        return sum(trial.passed for trial in self.trials if trial.setting == setting)

    def _is_refuted(self, setting: Setting) -> bool:
        return any(trial.failed for trial in self.trials if trial.setting == setting)

    def _smallest_passed(self) -> Setting | None:
        """Return the smallest setting that has passed every time."""
        passed = [
            trial.setting
            for trial in self.trials
            if trial.passed and not self._is_refuted(trial.setting)
        ]
        return min(passed, key=lambda setting: tuple(setting.values()), default=None)

    def _answer(self) -> Setting | None:
        sure = [trial.setting for trial in self.trials if self._passes(trial.setting) >= PASSES]
        kept = [setting for setting in sure if not self._is_refuted(setting)]
        return min(kept, key=lambda setting: tuple(setting.values()), default=None)

    def _model(self) -> ServiceModel | None:
        models = [trial.diagnosis.model for trial in self.trials if trial.diagnosis]
        return next((model for model in reversed(models) if model), None)

    def _predicted(self, setting: Setting, model: ServiceModel | None) -> Prediction | None:
        """Return what to expect of a setting whose connections suffice."""
        if model is None:
            return None
        full = {**self.defaults, **setting}
        # Connections do not enter: the settings that are compared all have enough.
        widened = next((one for one in STAGE_SETTINGS if self._was_bottleneck(one)), "workers")
        key = (full.get("threads"), full.get("processes"), widened, model)
        if key not in self._predictions:
            self._predictions[key] = predict(self.profile, self.seconds, model, full, {}, widened)
        found = self._predictions[key]
        return replace(found, settings=full) if found else None

    def _was_bottleneck(self, stage: str) -> bool:
        found = (trial.diagnosis.bottleneck for trial in self.trials if trial.diagnosis)
        return stage in {"cpu", "event_loop"} and stage in found

    def _why_no_smaller(self, best: Setting) -> str:
        failed = {name: value for name, value in self._failed_values().items() if name in best}
        tried = [f"{name}={value} failed" for name, value in sorted(failed.items())]
        model, threads = self._model(), best.get("threads", 0)
        if model and threads - 1 > failed.get("threads", 0):
            fewer = self._predicted({**best, "threads": threads - 1}, model)
            if fewer:
                p99 = units.latency(fewer.p99_seconds)
                tried.append(
                    f"threads={threads - 1} is predicted to have a p99 of {p99}, too near the"
                    " objective or beyond it"
                )
        because = f": {', '.join(tried)}" if tried else ""
        return f"no smaller setting is expected to pass{because}"


def _first(diagnosis: Diagnosis) -> str:
    return diagnosis.findings[0] if diagnosis.findings else ""
