"""Runs that are started at the same moment, as by several users of one machine."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests import firedrill_process, run_json, verdicts
from tests.integration.runs import locust_statistics

SECONDS = 5


@dataclass(frozen=True)
class Outcome:
    """The figures of one of several runs, beside the counts of its own Locust."""

    run_id: str
    passed: bool
    reasons: list[str]
    requests: float
    requests_of_its_locust: float
    server_finished: float
    beside_the_load: float

    @property
    def has_its_own_figures(self):
        """Whether both sides are those of this run."""
        most = self.requests + self.beside_the_load
        return (
            self.requests == self.requests_of_its_locust > 0
            and self.requests <= self.server_finished <= most
        )


def play(folder, number, *, at_once):
    """Play so many runs, some at once, with different numbers of users; return their outcomes."""
    folders = [folder / str(index) for index in range(number)]
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(_play, folders, range(2, 2 + number)))


def _play(folder, users):
    folder.mkdir()
    profile = firedrill_process.write_profile(
        folder,
        users=users,
        seconds=SECONDS,
        slo=firedrill_process.PATIENT_SLO,
        think_time="0.1s..0.3s",
    )
    drill = firedrill_process.start(folder / "runs", profile, with_ports=False)
    code, _, errors = drill.finish()
    document = run_json.content(drill.run())
    figures = document["figures"]
    assert figures, errors
    return Outcome(
        run_id=document["id"],
        passed=verdicts.passed(code, document),
        reasons=[reason["text"] for reason in document["verdict"]["reasons"]],
        requests=figures["counts"]["client_requests"],
        requests_of_its_locust=locust_statistics.request_totals(drill.run())[0],
        server_finished=figures["counts"]["server_finished"],
        beside_the_load=run_json.beside_the_load(figures),
    )
