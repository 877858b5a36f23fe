"""The search for the smallest setting, against a server whose limits are known."""

from dataclasses import dataclass

import pytest

from firedrill.diagnosis.diagnose import diagnose
from firedrill.diagnosis.workload_simulation import Simulation
from firedrill.hardening import path_table
from firedrill.hardening.ranges import SettingRange
from firedrill.hardening.search import Search, Trial
from firedrill.profile import load_profile
from firedrill.record.outcome import Status, Verdict
from firedrill.record.run_document import RunDocument
from tests.unit.diagnosis.built_systems import evidence, handler, model, stage
from tests.unit.healthy_run import HEALTHY, run_document

LAUNCH = load_profile("launch")
SECONDS = 85.0
DEFAULTS = {"threads": 4, "connection_limit": 100}
BOTH = (SettingRange("threads", 1, 256), SettingRange("connection_limit", 10, 10_000))


@dataclass
class Waitress:
    """Passes the launch with enough threads and connections, and fails with the reason."""

    threads: int = 10
    connections: int = 202
    computes: bool = False

    def run(self, setting):
        full = {**DEFAULTS, **setting}
        stages = {}
        if full["connection_limit"] < self.connections:
            limit = full["connection_limit"] - 2.0
            stages["connections"] = stage(1.0, 50.0, limit)
        if full["threads"] < self.threads:
            stages["workers"] = stage(1.0, 60.0, float(full["threads"]))
        if self.computes:
            stages["cpu"] = stage(1.0, 0.02)
        found = diagnose(
            evidence(
                stages,
                profile=LAUNCH,
                seconds=SECONDS,
                handler=handler(70.0, 0.055, cpu=0.99 if self.computes else 0.1),
                model=model(0.055),
                settings=full,
            )
        )
        status = Status.FAILED if stages else Status.PASSED
        played = run_document(
            profile=LAUNCH, verdict=Verdict(status, ()), diagnosis=found, figures=HEALTHY
        )
        return RunDocument.parse(played.content())  # as it is read from run.json


def searched(server, ranges=BOTH, most_runs=6, defaults=DEFAULTS):
    """Play the search against a server to its end; return it with its last step."""
    search = Search(LAUNCH, SECONDS, ranges, defaults, most_runs)
    for _ in range(most_runs + 1):
        step = search.next()
        if step.setting is None:
            return search, step
        search.trials.append(Trial(step.setting, step.predicted, server.run(step.setting)))
    raise AssertionError(f"more than {most_runs} runs")


@pytest.mark.parametrize("needed", [6, 10, 12, 14, 16])
def test_the_smallest_setting_passes_twice_within_six_runs(needed):
    search, last = searched(Waitress(threads=needed))
    assert last.answer is not None, last.reason
    assert needed <= last.answer["threads"] <= 18
    assert last.answer["connection_limit"] <= 242
    passed = [trial for trial in search.trials if trial.setting == last.answer and trial.passed]
    assert (len(passed), len(search.trials) <= 6) == (2, True)


def test_the_second_run_follows_the_first_diagnosis():
    search, _ = searched(Waitress())
    second = search.trials[1]
    assert second.setting == {"threads": 18, "connection_limit": 242}
    assert second.predicted.p99_seconds < 0.5


def test_a_profile_that_passes_at_once_is_only_confirmed():
    search, last = searched(Waitress(threads=1, connections=1), (SettingRange("threads", 4, 64),))
    assert [trial.setting for trial in search.trials] == [{"threads": 4}, {"threads": 4}]
    assert last.answer == {"threads": 4}


def test_a_limit_that_no_setting_widens_ends_the_search():
    search, last = searched(Waitress(threads=1, connections=1, computes=True))
    assert (len(search.trials), last.answer) == (1, None)
    assert "no setting to try helps" in last.reason
    assert "the CPU" in last.reason


def test_a_range_that_ends_too_early_ends_the_search():
    _, last = searched(Waitress(threads=12), (SettingRange("threads", 2, 8),))
    assert last.answer is None
    assert "threads=8 is the end of its range" in last.reason


def test_advice_that_was_not_enough_is_doubled():
    search, last = searched(Waitress(30, 1), (SettingRange("threads", 2, 256),))
    assert [trial.setting["threads"] for trial in search.trials][:3] == [4, 18, 36]
    assert last.answer["threads"] >= 30


def test_the_budget_ends_a_search_that_has_not_passed():
    search, last = searched(Waitress(threads=200), most_runs=3)
    assert (len(search.trials), last.answer) == (3, None)
    assert "budget of 3 runs" in last.reason


def test_a_setting_that_fails_once_is_no_answer():
    server = Waitress()
    shown = iter([True, True])

    class Unsteady:
        """Passes a small pool only the first time."""

        def run(self, setting):
            document = server.run(setting)
            if setting["threads"] < 18 and not next(shown, False):
                return server.run({**setting, "threads": 4})
            return document

    _, last = searched(Unsteady())
    assert last.answer is None or last.answer["threads"] >= 10


def test_an_invalid_run_is_played_once_more():
    invalid = run_document(profile=LAUNCH, verdict=Verdict(Status.INVALID, ()))
    search = Search(LAUNCH, SECONDS, BOTH, DEFAULTS, 6)
    first = search.next()
    search.trials.append(Trial(first.setting, None, invalid))
    assert search.next().setting == first.setting
    search.trials.append(Trial(first.setting, None, invalid))
    assert (search.next().setting, "INVALID" in search.next().reason) == (None, True)


def test_the_path_shows_prediction_beside_measurement():
    search, last = searched(Waitress())
    content = path_table.content(search.trials, last)
    assert content["setting"] == last.answer
    assert content["path"][1]["predicted_p99_seconds"] == search.trials[1].predicted.p99_seconds
    assert path_table.command("launch", "waitress", last.answer).startswith(
        "firedrill run launch --threads"
    )
    assert "passed twice" in path_table.conclusion(last)


def test_a_handler_that_is_too_slow_by_itself_is_told():
    free = run_document(
        profile=LAUNCH, verdict=Verdict(Status.FAILED, ()), diagnosis=diagnose(evidence())
    )
    search = Search(LAUNCH, SECONDS, BOTH, DEFAULTS, 6)
    search.trials.append(Trial(search.next().setting, None, free))
    assert "no stage was saturated" in search.next().reason


def test_a_run_without_a_diagnosis_ends_the_search():
    bare = run_document(profile=LAUNCH, verdict=Verdict(Status.FAILED, ()))
    search = Search(LAUNCH, SECONDS, BOTH, DEFAULTS, 6)
    search.trials.append(Trial(search.next().setting, None, bare))
    assert search.next().setting is None


def test_the_simulation_agrees_with_the_search_on_its_bound():
    assert Simulation(LAUNCH, SECONDS, model(0.055), 10).run().p99_seconds < 0.5


def test_processes_are_tried_where_the_cpu_is_full():
    """Two processes of gunicorn compute what one cannot."""
    ranges = (SettingRange("processes", 1, 8),)
    search = Search(LAUNCH, SECONDS, ranges, {"processes": 1, "threads": 4}, 6)
    full = Waitress(threads=1, connections=1, computes=True).run({})
    search.trials.append(Trial(search.next().setting, None, full))
    assert search.next().setting["processes"] > 1
