"""Spans for tests: kept in memory where this process makes them, received over OTLP/HTTP where workers do."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from holdfast.telemetry import starting


@dataclass(frozen=True, slots=True)
class Seen:
    """A finished span, from wherever it came."""

    name: str
    id: str
    trace: str
    parent: str
    kind: str
    attributes: dict[str, Any]
    links: tuple[str, ...]
    failed: bool
    events: dict[str, dict[str, Any]]
    began: int
    """Nanoseconds since 1970, as is its end."""
    ended: int
    says: str
    """What its status says beside that it is an error."""
    process: int = 0


class Spans:
    """Spans of this process."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("tests")

    def all(self, name: str = "") -> list[Seen]:
        """Return the finished ones, in the order in which they ended."""
        found = [_of_sdk(span) for span in self._exporter.get_finished_spans()]
        return [span for span in found if span.name.startswith(name)]

    def one(self, name: str) -> Seen:
        """Return the only one of this name."""
        (found,) = self.all(name)
        return found

    def clear(self) -> None:
        """Forget them."""
        self._exporter.clear()


@contextmanager
def traced() -> Iterator[Spans]:
    """Trace what is sent and run inside."""
    spans = Spans()
    starting.install(spans.provider)
    try:
        yield spans
    finally:
        starting.uninstall()


class Receiver(ThreadingHTTPServer):
    """Takes spans over OTLP/HTTP, as a collector does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Seen] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where to send."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """What lets a process trace, and send here at once."""
        return {
            "HOLDFAST_TRACING": "True",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }

    def all(self, name: str = "") -> list[Seen]:
        """Return what has come."""
        with self.lock:
            return [span for span in self.spans if span.name.startswith(name)]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Take spans inside."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportTraceServiceRequest.FromString(body)
        with self.server.lock:
            self.server.spans.extend(_of_wire(request))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _of_sdk(span: Any) -> Seen:
    return Seen(
        name=span.name,
        id=f"{span.context.span_id:016x}",
        trace=f"{span.context.trace_id:032x}",
        parent=f"{span.parent.span_id:016x}" if span.parent else "",
        kind=span.kind.name,
        attributes=dict(span.attributes),
        links=tuple(f"{link.context.span_id:016x}" for link in span.links),
        failed=span.status.status_code.name == "ERROR",
        events={event.name: dict(event.attributes) for event in span.events},
        began=span.start_time,
        ended=span.end_time,
        says=span.status.description or "",
    )


def _of_wire(request: Any) -> Iterator[Seen]:
    kinds = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
    for resource in request.resource_spans:
        about = _plain(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Seen(
                    name=span.name,
                    id=span.span_id.hex(),
                    trace=span.trace_id.hex(),
                    parent=span.parent_span_id.hex(),
                    kind=kinds[span.kind],
                    attributes=_plain(span.attributes),
                    links=tuple(link.span_id.hex() for link in span.links),
                    failed=span.status.code == 2,
                    events={event.name: _plain(event.attributes) for event in span.events},
                    began=span.start_time_unix_nano,
                    ended=span.end_time_unix_nano,
                    says=span.status.message,
                    process=int(about.get("process.pid", 0)),
                )


def _plain(attributes: Any) -> dict[str, Any]:
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value")
        for one in attributes
    }
