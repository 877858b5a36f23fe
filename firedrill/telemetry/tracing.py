"""Traces of a sample of the requests, by OpenTelemetry, sent as OTLP over HTTP; all other requests are led past it.

What OpenTelemetry does for a request costs many times what counting it does, even for a request whose span it then drops. So whether a
request is sampled is decided before anything else: by the SDK's own sampler, on the trace id that the SDK will use. Needs the extra
`tracing`; nothing of OpenTelemetry is imported before this module is.
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
from firedrill.telemetry.middleware import TRACE_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flask import Flask
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    WsgiApp = Callable[..., Iterable[bytes]]

DEFAULT_SHARE = 0.01
"""Share of the requests that are traced, of those that do not carry the decision with them."""
SEND_SECONDS = 2.0
"""How long one batch of spans may take, retries included, unless OTEL_EXPORTER_OTLP_TIMEOUT says otherwise. The exit waits for the last."""
COMPLAINT_SECONDS = 60.0
"""A collector that cannot be reached is worth a line this often."""

LOWER_HALF = TraceIdRatioBased.TRACE_ID_LIMIT
"""Of a trace id: the bits by which a share of the requests is chosen."""

PASSED = -1
_drawn: ContextVar[int | None] = ContextVar("drawn", default=None)
"""The trace id on which a request was decided, and 0 once its first span took it; PASSED in one that is not traced; None outside."""


class DrawnIds(RandomIdGenerator):
    """Gives the first span of a request the trace id on which the request was decided, so that the SDK decides the same."""

    def generate_trace_id(self) -> int:
        """A trace id."""
        drawn = _drawn.get()
        if not drawn or drawn == PASSED:
            return super().generate_trace_id()
        _drawn.set(0)
        return drawn


class Whole(Sampler):
    """A sampler under which a request is traced as a whole or not at all: no span of a passed one becomes a trace of its own."""

    def __init__(self, sampler: Sampler) -> None:
        self.decisive = sampler

    def should_sample(
        self, parent_context: Context | None, trace_id: int, *arguments: Any, **named: Any
    ) -> SamplingResult:
        """What the sampler decides, outside a passed request and for what continues somebody else's sampled trace."""
        if (
            _drawn.get() == PASSED
            and not trace.get_current_span(parent_context).get_span_context().trace_flags.sampled
        ):
            return SamplingResult(Decision.DROP)
        return self.decisive.should_sample(parent_context, trace_id, *arguments, **named)

    def get_description(self) -> str:
        """The sampler's own."""
        return self.decisive.get_description()


class Tracing:
    """Serves in place of the application: a sampled request through OpenTelemetry, all others past it."""

    def __init__(self, app: Flask, sampler: Sampler, resource: Resource | None = None) -> None:
        """Instrument `app`. Where the spans go is for the caller to add to `provider`."""
        self.provider = TracerProvider(Whole(sampler), resource, id_generator=DrawnIds())
        self._sampler = sampler
        self._bound = sampled_below(sampler)
        self._headers = frozenset(
            f"HTTP_{field.upper().replace('-', '_')}" for field in get_global_textmap().fields
        )
        self._past: WsgiApp = app.wsgi_app
        FlaskInstrumentor.instrument_app(  # type: ignore[no-untyped-call]
            app,
            request_hook=note_trace,
            tracer_provider=self.provider,
            meter_provider=NoOpMeterProvider(),
        )
        self._through: WsgiApp = app.wsgi_app
        skip_hooks_of_untraced(app)

    def serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One request. What it carries (traceparent, baggage) is passed on by OpenTelemetry's clients, sampled or not."""
        if environ.keys() & self._headers:
            return self._continue(environ, start_response)
        drawn = getrandbits(128)
        if drawn & LOWER_HALF < self._bound:
            return lead(self._through, drawn, environ, start_response)
        return lead(self._past, PASSED, environ, start_response)

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
            return lead(self._through, drawn, environ, start_response)
        token = attach(carried)
        try:
            return lead(self._past, PASSED, environ, start_response)
        finally:
            detach(token)

    def close(self) -> None:
        """Send what was recorded; what comes later is lost."""
        self.provider.shutdown()


def lead(
    app: WsgiApp, drawn: int, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Call `app` while `_drawn` says what was decided."""
    token = _drawn.set(drawn)
    try:
        return app(environ, start_response)
    finally:
        _drawn.reset(token)


def sampled_below(sampler: Sampler) -> int:
    """The sampler takes a request that carries no trace if the lower half of its trace id is below this. Asking it takes ten times as long.

    So do all those that OTEL_TRACES_SAMPLER can name: a share has a bound, the others take all or nothing.
    """
    root = getattr(sampler, "_root", sampler)  # ParentBased keeps it to itself
    if isinstance(root, TraceIdRatioBased):
        return root.bound
    return 0 if root.should_sample(None, 0, "").decision is Decision.DROP else LOWER_HALF + 1


def note_trace(span: Span, environ: dict[str, Any]) -> None:
    """Tell the middleware which trace its exemplar belongs to."""
    context = span.get_span_context()
    if context.trace_flags.sampled:
        environ[TRACE_ID] = context.trace_id


def skip_hooks_of_untraced(app: Flask) -> None:
    """Call the two hooks that OpenTelemetry has just registered for traced requests only, around the application's own."""
    begin, end = app.before_request_funcs[None].pop(), app.teardown_request_funcs[None].pop()
    preprocess, teardown = app.preprocess_request, app.do_teardown_request
    context: Callable[[], object] = request_ctx._get_current_object  # type: ignore[attr-defined]  # noqa: SLF001 -- as Flask documents it
    traced: set[int] = (
        set()
    )  # by their contexts; mostly empty, and then a request is not even asked which it is

    def preprocess_request(*arguments: Any) -> Any:
        if _drawn.get() != PASSED:
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


class Sparing(logging.Filter):
    """Lets a record through once in COMPLAINT_SECONDS."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet_until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 -- whatever it says
        """True for a record that comes after a silence."""
        now = monotonic()
        said = now < self._quiet_until
        self._quiet_until = self._quiet_until if said else now + COMPLAINT_SECONDS
        return not said


SPARING = Sparing()


def start_tracing(app: Flask, version: str) -> Tracing:
    """Trace `app` as the OTEL_* variables say, by default 1 % of its requests, to the collector they name, until the process ends.

    Raises BadInput for a share that is none.
    """
    logging.getLogger(trace_exporter.__name__).addFilter(SPARING)
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
        trace.set_tracer_provider(
            tracing.provider
        )  # nobody set one: the application's own spans belong to the same traces
    end_in_order()
    return tracing


def chosen_sampler(environ: Mapping[str, str]) -> Sampler:
    """The one that OTEL_TRACES_SAMPLER names, else a share of the requests that do not carry the decision with them.

    OTEL_TRACES_SAMPLER_ARG is that share, 1 % if it is not set either. Raises BadInput if it is none.
    """
    if environ.get("OTEL_TRACES_SAMPLER"):
        return TracerProvider(shutdown_on_exit=False).sampler  # the SDK reads the variables
    share = environ.get("OTEL_TRACES_SAMPLER_ARG") or DEFAULT_SHARE
    try:
        return ParentBased(TraceIdRatioBased(float(share)))
    except ValueError as error:
        raise BadInput(
            f"OTEL_TRACES_SAMPLER_ARG is {share!r}; expected a share from 0 to 1"
        ) from error


def resource(app: Flask, version: str) -> Resource:
    """What the spans are about: named as OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say, else after the application's package."""
    known = {SERVICE_NAME: app.name.partition(".")[0], SERVICE_VERSION: version}
    return Resource.create({**known, **OTELResourceDetector().detect().attributes})


def end_in_order() -> None:
    """Make SIGTERM an exit where nobody handles it and it would kill: the last spans are sent at exit."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
