"""A real OTLP/HTTP receiver: decodes what an exporter posts, and remembers the spans."""

from __future__ import annotations

import gzip
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Received:
    """One span, its attributes and its resource's in one dictionary."""

    name: str
    trace_id: str
    parent: str
    attributes: dict[str, object]


class Collector(ThreadingHTTPServer):
    """Takes spans at /v1/traces of a free port while its `with` block lasts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Received] = []
        self.encodings: set[str | None] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def trace_ids(self) -> set[str]:
        return {span.trace_id for span in self.spans}

    def __enter__(self) -> Self:
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


@contextmanager
def unreachable(listening: bool) -> Iterator[str]:
    """The address of a collector that refuses connections, or (`listening`) takes them and never
    answers.
    """
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listening:
            silent.listen()
        yield "http://{}:{}".format(*silent.getsockname())


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        encoding = self.headers.get("Content-Encoding")
        self.server.encodings.add(encoding)
        request = ExportTraceServiceRequest.FromString(
            gzip.decompress(body) if encoding == "gzip" else body
        )
        self.server.spans += [
            Received(
                span.name,
                span.trace_id.hex(),
                span.parent_span_id.hex(),
                _attributes(one.resource, span),
            )
            for one in request.resource_spans
            for scope in one.scope_spans
            for span in scope.spans
        ]
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.end_headers()
        self.wfile.write(ExportTraceServiceResponse().SerializeToString())

    def log_message(self, *_: object) -> None:
        """Quiet."""


def _attributes(*owners: object) -> dict[str, object]:
    pairs = [pair for owner in owners for pair in owner.attributes]  # type: ignore[attr-defined]
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
