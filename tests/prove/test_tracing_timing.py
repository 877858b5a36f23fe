"""How little a collector that cannot be reached delays requests and the end of the API."""

import signal
import time

import pytest
import requests

from tests.integration.api.api_process import module
from tests.integration.api.otlp_collector import unreachable
from tests.waiting import PATIENCE_SECONDS


@pytest.mark.parametrize("listening", [False, True], ids=["refuses", "never answers"])
def test_a_missing_collector_delays_nobody(proof, listening):
    slowest, end = "slowest of 300 requests (s)", "end after SIGTERM (s)"

    def measure():
        environment = {"OTEL_TRACES_SAMPLER": "always_on", "OTEL_BSP_SCHEDULE_DELAY": "50"}
        with (
            unreachable(listening) as endpoint,
            module("waitress", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **environment) as api,
            requests.Session() as session,
        ):
            answers = [
                session.get(f"{api.url}/healthz", timeout=PATIENCE_SECONDS) for _ in range(300)
            ]
            begun = time.monotonic()
            assert api.end(signal.SIGTERM) == 0
            return {
                slowest: max(answer.elapsed.total_seconds() for answer in answers),
                end: time.monotonic() - begun,
            }

    proof.holds(measure, repeats=3, at_most={slowest: 1.5, end: 8.0})
