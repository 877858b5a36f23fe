"""Diagnoses of real runs on an idle machine: the bottleneck, and the prediction of the next run."""

from tests import firedrill_process

COMPUTING = """\
name: computing
user: BasicUser
think_time: 0.1s..0.3s
steps:
  - {start_time: 0s, users: 2, spawn_rate: 2}
  - {start_time: 8s, users: 60, spawn_rate: 60}
duration: 25s
warmup: 2s
slo: {p99: 500ms, errors: 1%, starved_users: 0}
"""


def test_the_advised_setting_passes_as_predicted(proof, tmp_path_factory):
    """Waitress as it comes, and waitress as its diagnosis says."""

    def measure():
        out = tmp_path_factory.mktemp("advised")
        first = firedrill_process.start(out / "first", "launch")
        first.finish()
        advised = first.run().read().diagnosis
        second = firedrill_process.start(
            out / "second",
            "launch",
            *("--threads", advised.settings["threads"]),
            *("--connection-limit", advised.settings["connection_limit"]),
        )
        code, _, _ = second.finish()
        client = second.run().read().figures.client
        p99 = client.latency_including_waiting_seconds["p99"]
        return {
            "bottleneck is the workers": advised.bottleneck == "workers",
            "exit code with the advised setting": code,
            "p99 off the prediction (%)": 100 * abs(p99 / advised.prediction.p99_seconds - 1),
            "rate off the prediction (%)": 100 * abs(client.rate / advised.prediction.rate - 1),
        }

    proof.holds(
        measure,
        repeats=3,
        at_least={"bottleneck is the workers": 1},
        at_most={
            "exit code with the advised setting": 0,
            "p99 off the prediction (%)": 30,
            "rate off the prediction (%)": 10,
        },
    )


def test_a_computing_handler_is_told_from_a_waiting_one(proof, tmp_path_factory):
    def measure():
        folder = tmp_path_factory.mktemp("computing")
        file = folder / "computing.yaml"
        file.write_text(COMPUTING)
        run = firedrill_process.start(
            folder / "runs",
            file,
            *("--threads", "32", "--connection-limit", "400"),
            environment={"API_WORK": "8ms", "API_WORK_KIND": "computing"},
        )
        run.finish()
        found = run.run().read().diagnosis
        return {"bottleneck is the CPU": found.bottleneck == "cpu"}

    proof.holds(measure, repeats=3, at_least={"bottleneck is the CPU": 1})


def test_a_sized_server_has_no_bottleneck(proof, tmp_path_factory):
    def measure():
        run = firedrill_process.start(
            tmp_path_factory.mktemp("sized"),
            "launch",
            *("--threads", "64", "--connection-limit", "1000"),
        )
        run.finish()
        return {"bottlenecks": run.run().read().diagnosis.bottleneck is not None}

    proof.holds(measure, repeats=3, at_most={"bottlenecks": 0})
