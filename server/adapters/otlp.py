"""Traces to an OpenTelemetry collector, over HTTP. Needs the extra `otel`.

What the library reads from the environment itself holds here too: `OTEL_EXPORTER_OTLP_HEADERS` for a key,
`OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` for what this deployment is called.
"""

import importlib.metadata
from collections.abc import Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from server.domain.trace import Span, TraceParent

_SECONDS: Final = 10.0
_NANO: Final = 1_000_000_000


class OtlpSink:
    """`TraceSink` over OTLP: spans are made from what has been, with their own times."""

    def __init__(self, endpoint: str) -> None:
        self._exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_SECONDS)
        named = {"service.name": "easel", "service.version": importlib.metadata.version("easel")}
        self._resource = Resource.create(named)

    def send(self, traces: Sequence[tuple[TraceParent | None, Span]]) -> bool:
        """See `TraceSink.send`."""
        return self._exporter.export(self._spans(traces)) is SpanExportResult.SUCCESS

    def _spans(self, traces: Sequence[tuple[TraceParent | None, Span]]) -> Sequence[ReadableSpan]:
        kept = InMemorySpanExporter()
        # Whoever asked was asked whether to sample: a trace that is owed is told.
        provider = TracerProvider(sampler=ALWAYS_ON, resource=self._resource, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(kept))
        for parent, span in traces:
            _tell(provider.get_tracer("easel"), span, _under(parent), SpanKind.SERVER)
        return kept.get_finished_spans()


def _tell(tracer: Tracer, span: Span, within: Context | None, kind: SpanKind = SpanKind.INTERNAL) -> None:
    start = int(span.start * _NANO)
    told = tracer.start_span(span.name, context=within, kind=kind, attributes=span.attributes, start_time=start)
    if span.failure is not None:
        told.set_status(Status(StatusCode.ERROR, span.failure))
    for part in span.parts:
        _tell(tracer, part, set_span_in_context(told))
    told.end(int(span.end * _NANO))


def _under(parent: TraceParent | None) -> Context | None:
    if parent is None:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED)
    return set_span_in_context(NonRecordingSpan(SpanContext(parent.trace_id, parent.span_id, True, flags)))
