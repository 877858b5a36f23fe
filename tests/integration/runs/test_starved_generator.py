"""A load generator that cannot do what its profile asks for."""

from tests import firedrill_process, run_json

PROFILE = """\
name: greedy
arrivals: open
max_in_flight: 20
user: Greedy
steps: [{start_time: 0s, rate: 60}]
duration: 60s
warmup: 6s
slo: {p99: 500ms}
"""


def test_a_generator_without_cpu_voids_and_ends_the_run(tmp_path):
    profile = tmp_path / "greedy.yaml"
    profile.write_text(PROFILE)
    drill = firedrill_process.start(
        tmp_path,
        profile,
        "--abort-on-slo",
        "--locustfile",
        firedrill_process.LOCUSTFILES / "greedy.py",
    )
    code, output, errors = drill.finish()
    document = run_json.content(drill.run())
    figures, reasons = (
        document["figures"],
        {reason["code"]: reason["text"] for reason in document["verdict"]["reasons"]},
    )
    assert (code, document["verdict"]["status"]) == (4, "INVALID"), errors
    # It used its core up, or on a busy machine did not get it.
    named = {
        "generator_cpu": "the load generator used more than 0.9 of a core",
        "loop_lag": "the load generator's event loop was late",
    }
    assert [
        text for code, text in named.items() if code in reasons and text in " ".join(output.split())
    ], reasons

    unsent_names_its_cause(document)

    # It ended where the SLO had been broken for five seconds, long before its time.
    window = document["window"]
    assert 15 < window["end"] - window["start"] < 59
    assert "the SLO (p99) broke at 60/s (step 0, " in reasons["aborted"]
    assert document["aborted"]["objective"] == "p99"

    # Half of what was due was done, late; each request by itself was fast enough.
    arrivals = figures["arrivals"]
    assert arrivals["started"] < arrivals["offered"]
    assert arrivals["lateness_p99_seconds"] > 2
    assert (
        figures["client"]["latency_from_schedule_seconds"]["p50"]
        > figures["client"]["latency_seconds"]["p50"] + 1
    )
    # Most of its slots were in flight at the end, with answers that it had not got to: they are not
    # the target's.
    assert arrivals["left"] < 0.1 * arrivals["unsent"]


def unsent_names_its_cause(document):
    """A larger cap would not have helped, and is not what the verdict asks for."""
    codes = [reason["code"] for reason in document["verdict"]["reasons"]]
    assert {"generator_cpu", "loop_lag"} & set(codes[: codes.index("arrivals_unsent")]), codes
    asked = document["verdict"]["reasons"][codes.index("arrivals_unsent")]["text"]
    assert "use more workers" in asked
    assert "max_in_flight" not in asked


def test_users_that_compute_name_the_generator_in_short_runs(tmp_path):
    """Users of no network at all: nothing is in flight, and the rules, which look back for ten
    seconds, have not seen enough.
    """
    profile = tmp_path / "computing.yaml"
    profile.write_text(
        PROFILE.replace("Greedy", "Computing")
        .replace("rate: 60", "rate: 100")
        .replace("60s", "6s")
        .replace("warmup: 6s", "warmup: 1s")
    )
    code, _, errors = (
        drill := firedrill_process.start(
            tmp_path, profile, "--locustfile", firedrill_process.LOCUSTFILES / "computing.py"
        )
    ).finish()
    document = run_json.content(drill.run())
    assert (code, document["verdict"]["status"]) == (4, "INVALID"), errors
    unsent_names_its_cause(document)
    assert document["figures"]["arrivals"]["left"] == 0
