"""Traces leave a real process, and an exemplar in Prometheus leads to its trace."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import requests

from firedrill.contract import LOOPBACK
from firedrill.places import ROOT
from firedrill.processes import ports
from firedrill.telemetry.tracing import WARNING_SECONDS
from tests import required_programs
from tests.integration.api.api_process import flask, module
from tests.integration.api.otlp_collector import Collector, unreachable
from tests.scraped_metrics import exemplars, scrape_openmetrics
from tests.waiting import PATIENCE_SECONDS, poll_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
ALWAYS = {"OTEL_TRACES_SAMPLER": "always_on"}
PATIENT = {"OTEL_EXPORTER_OTLP_TIMEOUT": f"{PATIENCE_SECONDS:g}"}
"""Settings with which spans arrive, however long the machine stands still meanwhile."""


def api(start="waitress", **environment):
    """Start the example with these variables, by `python -m api` or `flask run`."""
    return flask(**environment) if start == "flask run" else module(start, **environment)


@pytest.fixture
def collector():
    with Collector() as collector:
        yield collector


@pytest.mark.parametrize("start", ["waitress", "dev", "flask run"])
def test_spans_arrive_when_the_process_is_asked_to_end(start, collector):
    with api(
        start,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        **PATIENT,
        **ALWAYS,
    ) as process:
        process.get("/items/1")
        process.get("/items/0")
        process.get("/nowhere")
        marked = poll_until(lambda: exemplars(scrape_openmetrics(process.metrics)), "exemplars")
        process.end(signal.SIGTERM)
    spans = {span.name: span for span in collector.spans}
    routed = spans["GET /items/<int:id>"].attributes
    assert routed["service.name"] == "api"
    assert routed["http.route"] == "/items/<int:id>"
    statuses = sorted(
        span.attributes["http.status_code"] for span in collector.spans if "readyz" not in span.name
    )
    assert statuses == [200, 404, 404]
    assert set().union(*marked.values()) <= collector.trace_ids
    assert collector.encodings == {"gzip"}


def test_the_variables_name_the_service_and_the_attributes(collector):
    names = {
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=drill",
    }
    stable = {
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces",
    }
    with api(**names, **stable, **PATIENT, **ALWAYS) as process:
        process.end(signal.SIGTERM)
    seen = collector.spans[0].attributes
    assert (seen["service.name"], seen["deployment.environment"]) == ("shop", "drill")
    assert (seen["http.response.status_code"], seen["http.route"]) == (200, "/readyz")


def test_a_traceparent_decides_else_a_hundredth_is_traced(collector):
    """Among 1500 requests, none traced, or four times as many as expected, is less likely than one
    in a million.
    """
    with (
        api(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **PATIENT) as process,
        requests.Session() as session,
    ):
        for number in range(1500):
            session.get(
                f"{process.url}/readyz",
                headers={"traceparent": f"00-{number + 1:032x}-b7ad6b7169203331-00"}
                if number % 2
                else {},
            )
        for _ in range(1500 // 2):
            session.get(f"{process.url}/healthz")
        for number in range(20):
            session.get(
                f"{process.url}/items/1",
                headers={"traceparent": f"00-{TRACE[:-2]}{number:02x}-b7ad6b7169203331-01"},
            )
        process.end(signal.SIGTERM)
    carried = [span for span in collector.spans if span.parent]
    assert {span.trace_id for span in carried} == {
        f"{TRACE[:-2]}{number:02x}" for number in range(20)
    }
    assert 1 <= len(collector.spans) - len(carried) < 60


@pytest.mark.parametrize("listening", [False, True], ids=["refuses", "never answers"])
def test_a_missing_collector_costs_one_warning_a_minute(listening):
    with unreachable(listening) as endpoint:
        begun = time.monotonic()
        with (
            api(
                OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_BSP_SCHEDULE_DELAY="50", **ALWAYS
            ) as process,
            requests.Session() as session,
        ):
            assert {
                session.get(f"{process.url}/healthz", timeout=PATIENCE_SECONDS).status_code
                for _ in range(300)
            } == {200}
            assert process.end(signal.SIGTERM) == 0
            warnings = process.said()[1:]
    assert len(warnings) <= 1 + (time.monotonic() - begun) // WARNING_SECONDS, warnings


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_opentelemetry_is_not_imported_where_tracing_is_off(environment):
    code = """
import sys
from flask import Flask
from firedrill.telemetry import instrument
instrument(Flask("theirs"), port=0)
unwanted = {"opentelemetry", "requests", "google"}
sys.exit(any(name.partition(".")[0] in unwanted for name in sys.modules))
"""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    assert (
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**clean, **environment},
            timeout=PATIENCE_SECONDS,
            check=False,
        ).returncode
        == 0
    )


def test_missing_packages_are_named_in_one_line(tmp_path):
    (tmp_path / "opentelemetry.py").write_text(
        "raise ModuleNotFoundError('absent', name='opentelemetry')"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    }
    command = [sys.executable, "-m", "api", "--port", "0", "--metrics-port", "0"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr == (
        "api: tracing needs opentelemetry: pip install 'api-firedrill[tracing]',"
        " or set OTEL_TRACES_EXPORTER=none\n"
    )


def test_the_query_of_the_dashboard_finds_exemplars_in_prometheus(collector, tmp_path):
    port, config = ports.any_free(), tmp_path / "prometheus.yml"
    with api(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **PATIENT, **ALWAYS) as process:
        metrics = process.metrics.removeprefix("http://").removesuffix("/metrics")
        job = {
            "job_name": "api",
            "scrape_interval": "200ms",
            "static_configs": [{"targets": [metrics]}],
        }
        config.write_text(json.dumps({"scrape_configs": [job]}))  # JSON is YAML
        command = [
            required_programs.require("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
        ]
        command += [f"--web.listen-address={LOOPBACK}:{port}", "--enable-feature=exemplar-storage"]
        prometheus = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.get("/items/1")
            trace_ids = poll_until(lambda: queried(port), "exemplars in Prometheus")
            up = requests.get(
                f"http://{LOOPBACK}:{port}/api/v1/query?query=up", timeout=PATIENCE_SECONDS
            ).json()["data"]["result"]
        finally:
            prometheus.terminate()
            prometheus.wait(PATIENCE_SECONDS)
        process.end(signal.SIGTERM)
    assert [sample["value"][1] for sample in up] == ["1"]
    assert trace_ids <= collector.trace_ids


def queried(port):
    """Return the trace ids that Prometheus finds for the query of the dashboard's heatmap."""
    query = "sum by (le) (rate(http_server_response_time_seconds_bucket[1m]))"
    now = time.time()
    window = {"query": query, "start": now - 60, "end": now + 1}
    try:
        answer = requests.get(
            f"http://{LOOPBACK}:{port}/api/v1/query_exemplars",
            params=window,
            timeout=PATIENCE_SECONDS,
        )
    except requests.ConnectionError:
        return set()
    if not answer.ok:  # it listens before it is ready
        return set()
    return {
        exemplar["labels"]["trace_id"]
        for series in answer.json()["data"]
        for exemplar in series["exemplars"]
    }
