"""Requests are sampled and traced as the SDK decides, and untraced ones leave nothing behind."""

import os
import threading

import pytest
from flask import Flask, Response, copy_current_request_context, request, stream_with_context
from opentelemetry import trace
from opentelemetry.propagate import inject
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBased,
    TraceIdRatioBased,
)
from opentelemetry.trace import StatusCode, format_trace_id

from firedrill.errors import BadInput
from firedrill.telemetry.application.members import Members
from firedrill.telemetry.instrumentation import wants_tracing
from firedrill.telemetry.metrics_process import ServerMetrics
from firedrill.telemetry.middleware.request_metrics import RequestMetrics
from firedrill.telemetry.middleware.wsgi import WsgiMiddleware
from firedrill.telemetry.shared_cells import Cells
from firedrill.telemetry.tracing import Tracing, chosen_sampler, resource, sampled_below
from tests.scraped_metrics import exemplars

HALF = ParentBased(TraceIdRatioBased(0.5))
NAMED = {
    "always_on": ALWAYS_ON,
    "always_off": ALWAYS_OFF,
    "parentbased_always_on": DEFAULT_ON,
    "parentbased_always_off": DEFAULT_OFF,
    "traceidratio": TraceIdRatioBased(0.5),
    "parentbased_traceidratio": HALF,
}
"""The samplers that OTEL_TRACES_SAMPLER can name."""
TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED, UNSAMPLED = (f"00-{TRACE}-b7ad6b7169203331-{flags}" for flags in ("01", "00"))


def sampled_trace():
    """Return the trace of the current span, if it is recorded."""
    context = trace.get_current_span().get_span_context()
    return context.trace_id if context.trace_flags.sampled else None


class Traced:
    """A traced and measured Flask application whose spans stay in memory."""

    def __init__(self, sampler):
        self.app = app = Flask("traced.application")
        app.get("/items/<int:number>", endpoint="items")(lambda number: f"item {number}")
        app.before_request(lambda: self.seen.append(sampled_trace()))
        self.seen = []
        self.tracing = Tracing(app, sampler)
        self._exporter = InMemorySpanExporter()
        self.tracing.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        cells = Cells.create()
        app.wsgi_app = WsgiMiddleware(self.tracing.serve, RequestMetrics(cells))
        self._page = ServerMetrics(Members.of(cells, os.getpid()))

    def send(self, path="/items/1", **headers):
        """Return a response, read and closed as a server does it."""
        return self.app.test_client().get(path, headers=headers, buffered=True)

    @property
    def spans(self):
        return self._exporter.get_finished_spans()

    def exemplars(self):
        return exemplars(self._page.render(for_prometheus=False, openmetrics=True).decode())


def test_a_sampled_request_is_a_span_and_an_exemplar():
    traced = Traced(ALWAYS_ON)
    traced.send()
    (span,) = traced.spans
    assert span.name == "GET /items/<int:number>"
    trace_id = format_trace_id(span.context.trace_id)
    assert traced.exemplars() == {
        "http_server_request_duration_seconds": {trace_id},
        "http_server_response_time_seconds": {trace_id},
    }


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("carried", [None, SAMPLED, UNSAMPLED])
def test_requests_are_traced_as_the_sdk_s_sampler_decides(name, carried):
    traced, requests = Traced(NAMED[name]), 200
    for _ in range(requests):
        traced.send(**({"traceparent": carried} if carried else {}))
    expected = {
        "always_on": requests,
        "always_off": 0,
        "parentbased_always_on": 0 if carried == UNSAMPLED else requests,
        "parentbased_always_off": requests if carried == SAMPLED else 0,
        "traceidratio": requests * (int(TRACE[16:], 16) < TraceIdRatioBased(0.5).bound)
        if carried
        else None,
        "parentbased_traceidratio": {None: None, SAMPLED: requests, UNSAMPLED: 0}[carried],
    }[name]
    if expected is None:  # about half, eight standard deviations wide
        assert 43 < len(traced.spans) < 157
        assert len({span.context.trace_id for span in traced.spans}) == len(traced.spans)
        assert all(
            HALF.should_sample(None, span.context.trace_id, "").decision.is_sampled()
            for span in traced.spans
        )
    else:
        assert len(traced.spans) == expected
        assert {format_trace_id(span.context.trace_id) for span in traced.spans if carried} <= {
            TRACE
        }


@pytest.mark.parametrize(
    "sampler", [DEFAULT_OFF, TraceIdRatioBased(0.0), ParentBased(TraceIdRatioBased(0.0))]
)
def test_own_spans_of_an_unsampled_request_are_not_recorded(sampler):
    traced = Traced(sampler)
    tracer = traced.tracing.provider.get_tracer("theirs")

    @traced.app.get("/work")
    def work():
        with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
            return "done"

    traced.send("/work")
    traced.send("/work", traceparent=UNSAMPLED)
    traced.send("/work", baggage="a=b")
    assert traced.spans == ()


def test_own_spans_of_a_sampled_request_join_its_trace():
    traced = Traced(ALWAYS_ON)
    tracer = traced.tracing.provider.get_tracer("theirs")

    @traced.app.get("/work")
    def work():
        with tracer.start_as_current_span("inner"):
            return "done"

    traced.send("/work")
    inner, outer = traced.spans
    assert (inner.name, outer.name) == ("inner", "GET /work")
    assert inner.parent.span_id == outer.context.span_id


@pytest.mark.parametrize("traceparent", [SAMPLED, UNSAMPLED])
def test_the_baggage_of_every_request_is_passed_on(traceparent):
    traced = Traced(HALF)

    @traced.app.get("/passing")
    def passing():
        headers = {}
        inject(headers)
        return headers

    passed = traced.send("/passing", traceparent=traceparent, baggage="a=b").json
    assert passed["baggage"] == "a=b"
    assert passed["traceparent"].split("-")[1::2] == traceparent.split("-")[1::2]


def test_a_raising_handler_is_an_error_with_its_exception():
    traced = Traced(ALWAYS_ON)
    traced.app.get("/broken")(lambda: 1 / 0)
    assert traced.send("/broken").status_code == 500
    (span,) = traced.spans
    assert span.status.status_code == StatusCode.ERROR
    assert traced.exemplars()


def test_own_hooks_run_once_inside_the_span():
    traced = Traced(HALF)
    for _ in range(20):
        traced.send()
    sampled = [trace_id for trace_id in traced.seen if trace_id]
    assert len(traced.seen) == 20
    assert sampled == [span.context.trace_id for span in traced.spans]


def test_a_streamed_response_is_one_span():
    traced = Traced(ALWAYS_ON)
    traced.app.get("/stream")(
        lambda: Response(stream_with_context(request.path[:1] for _ in range(3)))
    )
    assert [traced.send("/stream").data for _ in range(3)] == [b"///"] * 3
    assert len(traced.spans) == 3
    assert traced.exemplars()["http_server_request_duration_seconds"]
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_thread_with_the_request_does_not_end_its_span():
    traced = Traced(ALWAYS_ON)

    @traced.app.get("/borrowed")
    def borrowed():
        thread = threading.Thread(target=copy_current_request_context(lambda: request.path))
        thread.start()
        thread.join()
        return "finished" if traced.spans else "open"

    assert traced.send("/borrowed").data == b"open"
    assert len(traced.spans) == 1


def test_sixteen_threads_keep_sampled_and_unsampled_requests_apart():
    traced = Traced(HALF)

    def send():
        for number in range(50):
            traced.send(
                f"/items/{number}",
                **([{}, {"traceparent": SAMPLED}, {"traceparent": UNSAMPLED}][number % 3]),
            )

    threads = [threading.Thread(target=send) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    continued = [span for span in traced.spans if span.parent]
    assert {format_trace_id(span.context.trace_id) for span in continued} == {TRACE}
    assert len(continued) == 16 * 17
    own = [span.context.trace_id for span in traced.spans if not span.parent]
    assert len(set(own)) == len(own)
    assert sorted(trace_id for trace_id in traced.seen if trace_id) == sorted(
        span.context.trace_id for span in traced.spans
    )


def test_the_service_is_named_after_the_application_s_package():
    named = resource(Flask("shop.web"), "1.2").attributes
    assert (named["service.name"], named["service.version"]) == ("shop", "1.2")


@pytest.mark.parametrize(("ratio", "bound"), [(None, 0.01), ("", 0.01), ("0.25", 0.25), ("1", 1.0)])
def test_the_default_ratio_is_one_percent(ratio, bound):
    sampler = chosen_sampler({} if ratio is None else {"OTEL_TRACES_SAMPLER_ARG": ratio})
    assert sampled_below(sampler) == TraceIdRatioBased.get_bound_for_rate(bound)


@pytest.mark.parametrize("ratio", ["half", "1.5"])
def test_an_invalid_ratio_is_refused_in_one_line(ratio):
    with pytest.raises(
        BadInput, match=f"OTEL_TRACES_SAMPLER_ARG is '{ratio}'; expected a ratio from 0 to 1"
    ):
        chosen_sampler({"OTEL_TRACES_SAMPLER_ARG": ratio})


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environ", "requested", "wanted"),
    [
        ({}, None, False),
        ({}, True, True),
        (ENDPOINT, None, True),
        (ENDPOINT, False, False),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, None, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, None, False),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, True, False),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "otlp"}, None, True),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, True, False),
        ({"OTEL_TRACES_EXPORTER": "console"}, None, False),
    ],
)
def test_tracing_is_on_where_a_collector_is_named(environ, requested, wanted):
    assert wants_tracing(environ, requested) is wanted


@pytest.mark.parametrize(
    "unknown", [{"OTEL_TRACES_EXPORTER": "console"}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}]
)
def test_exporters_other_than_otlp_over_http_are_refused(unknown):
    with pytest.raises(BadInput, match=r"OTEL_\w+ is '(console|grpc)'; expected [^\n]*$"):
        wants_tracing({**ENDPOINT, **unknown}, None)
