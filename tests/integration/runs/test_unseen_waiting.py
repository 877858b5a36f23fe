"""No run passes while users wait unseen, or hang in a body whose head arrived at once."""

import pytest

from tests import firedrill_process, run_json, verdicts
from tests.target_server import Target

DOWNLOADS, TRANSACTIONS = "downloading.py", "transactions.py"


@pytest.mark.parametrize(
    ("locustfile", "options", "status", "code"),
    [
        (DOWNLOADS, (), "FAILED", "starved_users"),
        (TRANSACTIONS, ("--workers", "2"), "INVALID", "unmeasured_starved_users"),
    ],
    ids=["a streamed body hangs", "a class has unseen requests"],
)
def test_a_run_with_unseen_waiting_does_not_pass(tmp_path, locustfile, options, status, code):
    profile = firedrill_process.write_profile(tmp_path, users=4, seconds=20)
    with Target() as target:
        drill = firedrill_process.start(
            tmp_path / "runs",
            profile,
            "--target",
            target.url,
            "--locustfile",
            firedrill_process.LOCUSTFILES / locustfile,
            *options,
        )
        exit_code, output, _ = drill.finish()
    document = run_json.content(drill.run())
    reasons = {reason["code"]: reason["text"] for reason in document["verdict"]["reasons"]}
    quality = document["figures"]["honesty"]
    assert verdicts.status_and_reasons(exit_code, document)[0] == status, output
    assert code in reasons, output
    if locustfile == DOWNLOADS:
        assert quality["starved_sustained"] == quality["in_flight_max"] == 4
        assert quality["abandoned"] == {"in_flight": 4, "unreported": 0}
        assert quality["hung"] == 4
        assert document["figures"]["client"]["latency_including_waiting_seconds"]["p99"] > 5
    else:
        checkout = {"user_class": "Shop", "method": "TRANSACTION", "name": "checkout"}
        assert quality["unobserved"] == [checkout]
        assert quality["starved_sustained"] is None
        assert (
            "users of Shop reported requests that were not seen to begin (TRANSACTION check"
            in (reasons[code])
        )
