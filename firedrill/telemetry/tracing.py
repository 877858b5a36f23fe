"""Tracing of a sample of the requests by OpenTelemetry, sent as OTLP over HTTP.

OpenTelemetry costs many times what counting a request costs, even where it drops the span. So the
SDK's own sampler decides before anything else, on the trace id that the SDK will use, and requests
that are not sampled bypass OpenTelemetry. This module needs the extra `tracing`; only it imports
OpenTelemetry.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextvars import ContextVar
from random import getrandbits
from time import monotonic
from typing import TYPE_CHECKING, Any

from flask.globals import request_ctx
from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.wsgi import wsgi_getter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.propagate import extract, get_global_textmap
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import ProxyTracerProvider

from firedrill.errors import BadInput
from firedrill.telemetry.middleware.request_metrics import TRACE_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flask import Flask
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    WsgiApp = Callable[..., Iterable[bytes]]

DEFAULT_RATIO = 0.01
"""Ratio of requests that are traced, among those that do not carry the decision."""
SEND_SECONDS = 2.0
"""Time to send one batch of spans, retries included, for which the exit waits.

OTEL_EXPORTER_OTLP_TIMEOUT overrides it.
"""
WARNING_SECONDS = 60.0
"""Time between two warnings about a collector that cannot be reached."""

LOWER_HALF = TraceIdRatioBased.TRACE_ID_LIMIT
"""The bits of a trace id by which requests are sampled."""

NOT_TRACED = -1
_drawn: ContextVar[int | None] = ContextVar("drawn", default=None)
"""The trace id that was drawn for a request, 0 once its first span took it.

It is NOT_TRACED in a request that is not traced, and None outside of requests.
"""


class DrawnIds(RandomIdGenerator):
    """Gives a request's first span the id that was drawn, so that the SDK decides the same."""

    def generate_trace_id(self) -> int:
        """Return a trace id."""
        drawn = _drawn.get()
        if not drawn or drawn == NOT_TRACED:
            return super().generate_trace_id()
        _drawn.set(0)
        return drawn


class WholeRequestSampler(Sampler):
    """A sampler that traces a request as a whole or not at all.

    No span of a request that is not traced becomes a trace of its own.
    """

    def __init__(self, sampler: Sampler) -> None:
        self.decisive = sampler

    def should_sample(
        self, parent_context: Context | None, trace_id: int, *arguments: Any, **named: Any
    ) -> SamplingResult:
        """Drop spans of a request that is not traced; else ask the sampler.

        Spans that continue somebody else's sampled trace are left to the sampler as well.
        """
        if (
            _drawn.get() == NOT_TRACED
            and not trace.get_current_span(parent_context).get_span_context().trace_flags.sampled
        ):
            return SamplingResult(Decision.DROP)
        return self.decisive.should_sample(parent_context, trace_id, *arguments, **named)

    def get_description(self) -> str:
        """Return the sampler's own description."""
        return self.decisive.get_description()


class Tracing:
    """Serves in place of the application, and only sampled requests through OpenTelemetry."""

    def __init__(self, app: Flask, sampler: Sampler, resource: Resource | None = None) -> None:
        """Instrument `app`. The caller adds the spans' destination to `provider`."""
        self.provider = TracerProvider(
            WholeRequestSampler(sampler), resource, id_generator=DrawnIds()
        )
        self._sampler = sampler
        self._bound = sampled_below(sampler)
        self._headers = frozenset(
            f"HTTP_{field.upper().replace('-', '_')}" for field in get_global_textmap().fields
        )
        self._untraced: WsgiApp = app.wsgi_app
        FlaskInstrumentor.instrument_app(  # type: ignore[no-untyped-call]
            app,
            request_hook=note_trace,
            tracer_provider=self.provider,
            meter_provider=NoOpMeterProvider(),
        )
        self._traced: WsgiApp = app.wsgi_app
        skip_hooks_of_untraced(app)

    def serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request.

        OpenTelemetry's clients pass on what it carries (traceparent, baggage), sampled or not.
        """
        if environ.keys() & self._headers:
            return self._continue(environ, start_response)
        drawn = getrandbits(128)
        if drawn & LOWER_HALF < self._bound:
            return call_with(self._traced, drawn, environ, start_response)
        return call_with(self._untraced, NOT_TRACED, environ, start_response)

    def _continue(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        carried = extract(environ, getter=wsgi_getter)
        parent = trace.get_current_span(carried).get_span_context()
        drawn = 0 if parent.is_valid else getrandbits(128)
        if (
            self._sampler.should_sample(carried, drawn or parent.trace_id, "").decision
            is not Decision.DROP
        ):
            return call_with(self._traced, drawn, environ, start_response)
        token = attach(carried)
        try:
            return call_with(self._untraced, NOT_TRACED, environ, start_response)
        finally:
            detach(token)

    def close(self) -> None:
        """Send the recorded spans; later ones are lost."""
        self.provider.shutdown()


def call_with(
    app: WsgiApp, drawn: int, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Call `app` while `_drawn` holds the decision."""
    token = _drawn.set(drawn)
    try:
        return app(environ, start_response)
    finally:
        _drawn.reset(token)


def sampled_below(sampler: Sampler) -> int:
    """Return the bound below which the lower half of a trace id is sampled, without a parent.

    Asking the sampler takes ten times as long. Every sampler that OTEL_TRACES_SAMPLER can name has
    such a bound: a ratio's own, or all or nothing.
    """
    root = getattr(sampler, "_root", sampler)  # private in ParentBased
    if isinstance(root, TraceIdRatioBased):
        return root.bound
    return 0 if root.should_sample(None, 0, "").decision is Decision.DROP else LOWER_HALF + 1


def note_trace(span: Span, environ: dict[str, Any]) -> None:
    """Tell the middleware the trace of its exemplar."""
    context = span.get_span_context()
    if context.trace_flags.sampled:
        environ[TRACE_ID] = context.trace_id


def skip_hooks_of_untraced(app: Flask) -> None:
    """Call the two hooks that OpenTelemetry has just registered in traced requests only."""
    begin, end = app.before_request_funcs[None].pop(), app.teardown_request_funcs[None].pop()
    preprocess, teardown = app.preprocess_request, app.do_teardown_request
    # As Flask documents it.
    context: Callable[[], object] = request_ctx._get_current_object  # type: ignore[attr-defined]  # noqa: SLF001
    traced: set[int] = set()
    """Traced requests by their contexts; mostly empty, and then no context is asked for."""

    def preprocess_request(*arguments: Any) -> Any:
        if _drawn.get() != NOT_TRACED:
            begin()
            traced.add(id(context()))
        return preprocess(*arguments)

    def do_teardown_request(*arguments: Any) -> None:
        try:
            teardown(*arguments)
        finally:
            if traced and id(context()) in traced:
                traced.discard(id(context()))
                end(arguments[-1])

    app.preprocess_request = preprocess_request  # type: ignore[method-assign]
    app.do_teardown_request = do_teardown_request  # type: ignore[method-assign, assignment]


class RateLimit(logging.Filter):
    """Lets a record through once in WARNING_SECONDS."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet_until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 -- whatever it says
        """Return whether nothing was let through in the last WARNING_SECONDS."""
        now = monotonic()
        if now < self._quiet_until:
            return False
        self._quiet_until = now + WARNING_SECONDS
        return True


RATE_LIMIT = RateLimit()


def start_tracing(app: Flask, version: str) -> Tracing:
    """Trace `app` as the OTEL_* variables say, by default 1 % of its requests.

    Spans are sent to the collector that they name, until the process ends. Raises BadInput for a
    ratio that is out of range.
    """
    logging.getLogger(trace_exporter.__name__).addFilter(RATE_LIMIT)
    tracing = Tracing(app, chosen_sampler(os.environ), resource(app, version))
    timeout = (
        None
        if {"OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"} & os.environ.keys()
        else SEND_SECONDS
    )
    tracing.provider.add_span_processor(
        BatchSpanProcessor(trace_exporter.OTLPSpanExporter(timeout=timeout))
    )
    if isinstance(trace.get_tracer_provider(), ProxyTracerProvider):
        # Nobody set one, so the application's own spans join the same traces.
        trace.set_tracer_provider(tracing.provider)
    exit_on_sigterm()
    return tracing


def chosen_sampler(environ: Mapping[str, str]) -> Sampler:
    """Return the sampler that OTEL_TRACES_SAMPLER names, or else one of a ratio of requests.

    The ratio is OTEL_TRACES_SAMPLER_ARG, by default 1 %. It applies to requests that do not carry
    the decision. Raises BadInput for a ratio that is out of range.
    """
    if environ.get("OTEL_TRACES_SAMPLER"):
        return TracerProvider(shutdown_on_exit=False).sampler  # the SDK reads the variables
    ratio = environ.get("OTEL_TRACES_SAMPLER_ARG") or DEFAULT_RATIO
    try:
        return ParentBased(TraceIdRatioBased(float(ratio)))
    except ValueError as error:
        raise BadInput(
            f"OTEL_TRACES_SAMPLER_ARG is {ratio!r}; expected a ratio from 0 to 1"
        ) from error


def resource(app: Flask, version: str) -> Resource:
    """Return the spans' resource, named by OTEL_* variables or after the application."""
    known = {SERVICE_NAME: app.name.partition(".")[0], SERVICE_VERSION: version}
    return Resource.create({**known, **OTELResourceDetector().detect().attributes})


def exit_on_sigterm() -> None:
    """Make SIGTERM an exit, where nobody handles it: the last spans are sent at exit."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
