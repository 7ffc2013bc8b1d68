"""Tracing is switched on, where the project wants it; when Django is set up, in each process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from holdfast import spans
from holdfast.exceptions import ConfigurationError

# Where to send spans, by the names that OpenTelemetry gives these variables.
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def install_if_wanted(settings: Any) -> None:
    """Trace if the project's HOLDFAST says so.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """
    said = getattr(settings, "HOLDFAST", None)
    if isinstance(said, Mapping) and said.get("tracing") is True:
        install()


def install(provider: Any = None) -> None:
    """Trace from now on, with a provider of one's own, or with the one that the project has set or sets later.

    Where nobody has set one, and the environment says where spans go (OTEL_EXPORTER_OTLP_ENDPOINT), they are sent there
    over OTLP/HTTP, a few seconds of them at a time.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """
    try:
        from holdfast.telemetry.tracing import OpenTelemetry
    except ImportError as error:
        raise ConfigurationError(
            "HOLDFAST['tracing'] is on, and OpenTelemetry is not installed: pip install 'holdfast[otel]'."
        ) from error
    from celery import signals

    if provider is None:
        _export_if_said()
    spans.tracer = OpenTelemetry(provider)
    # A process of a pool ends without what Python does at exit.
    signals.worker_process_shutdown.connect(_flush, weak=False, dispatch_uid="holdfast.tracing")


def uninstall() -> None:
    """Trace no more."""
    spans.tracer = None


def _export_if_said() -> None:
    from opentelemetry import trace

    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigurationError(
            "OTEL_EXPORTER_OTLP_ENDPOINT says where spans go, and what sends them is not installed: "
            "pip install 'holdfast[otel]'."
        ) from error
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def _flush(**_: object) -> None:
    if spans.tracer is not None:
        spans.tracer.flush()
