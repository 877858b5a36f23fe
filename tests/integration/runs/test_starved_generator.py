"""A run whose load generator cannot do what its profile asks for."""

from tests import firedrill_process, run_json
from tests.integration.runs import scenarios


def test_a_generator_without_cpu_voids_and_ends_the_run(tmp_path):
    drill = scenarios.start_greedy_run(tmp_path)
    code, output, errors = drill.finish()
    document = run_json.content(drill.run())
    figures = document["figures"]
    reasons = {reason["code"]: reason["text"] for reason in document["verdict"]["reasons"]}
    assert (code, document["verdict"]["status"]) == (4, "INVALID"), errors
    # It used its core up, or did not get it on a busy machine.
    causes = {
        "generator_cpu": "the load generator used more than 0.9 of a core",
        "loop_lag": "the load generator's event loop was late",
    }
    assert [
        text
        for code, text in causes.items()
        if code in reasons and text in " ".join(output.split())
    ], reasons

    assert_the_verdict_asks_for_workers(document)

    # The load ended after the SLO had been broken for five seconds, long before its time.
    window = document["window"]
    assert 15 < window["end"] - window["start"] < 59
    assert "the SLO (p99) broke at 60/s (step 0, " in reasons["aborted"]
    assert document["aborted"]["objective"] == "p99"

    # Half of the arrivals were started, and late; each request by itself was fast enough.
    arrivals = figures["arrivals"]
    assert arrivals["started"] < arrivals["offered"]
    assert arrivals["lateness_p99_seconds"] > 2
    assert (
        figures["client"]["latency_from_schedule_seconds"]["p50"]
        > figures["client"]["latency_seconds"]["p50"] + 1
    )
    # Most requests in flight at the end had answers that the generator had not read yet: the target
    # is not late with them.
    assert arrivals["left"] < 0.1 * arrivals["unsent"]


def assert_the_verdict_asks_for_workers(document):
    """Assert that the verdict asks for more workers, and not for a larger max_in_flight."""
    codes = [reason["code"] for reason in document["verdict"]["reasons"]]
    assert {"generator_cpu", "loop_lag"} & set(codes[: codes.index("arrivals_unsent")]), codes
    advice = document["verdict"]["reasons"][codes.index("arrivals_unsent")]["text"]
    assert "use more workers" in advice
    assert "max_in_flight" not in advice


def test_users_that_compute_name_the_generator_in_short_runs(tmp_path):
    """Nothing is in flight, and the run is shorter than the 10 s that the rules look back."""
    profile = tmp_path / "computing.yaml"
    profile.write_text(
        scenarios.GREEDY_PROFILE.replace("Greedy", "Computing")
        .replace("rate: 60", "rate: 100")
        .replace("60s", "6s")
        .replace("warmup: 6s", "warmup: 1s")
    )
    locustfile = firedrill_process.LOCUSTFILES / "computing.py"
    drill = firedrill_process.start(tmp_path, profile, "--locustfile", locustfile)
    code, _, errors = drill.finish()
    document = run_json.content(drill.run())
    assert (code, document["verdict"]["status"]) == (4, "INVALID"), errors
    assert_the_verdict_asks_for_workers(document)
    assert document["figures"]["arrivals"]["left"] == 0
