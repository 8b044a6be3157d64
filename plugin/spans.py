"""Spans for an OpenTelemetry collector, where the environment names one and the extra `otel` is there.

Else nothing of it is imported, and the trace that came in just goes on. What is sent where, how often and with which
headers, is the OpenTelemetry SDK's own affair and its `OTEL_...` variables'.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import structlog

from plugin.trace import Trace, parse
from plugin.version import version

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PACKAGE = "opentelemetry.exporter.otlp.proto.http"
NAME = "herkend"
TAKEN_IN = "202"
log = structlog.get_logger(__name__)


class Spans:
    """Makes spans when it is `on`; one for the whole process, for any number of threads.

    The SDK is loaded, and its thread begun, with the first span: in the process that has something to tell.
    """

    def __init__(self, *, on: bool) -> None:
        self.on = on
        self._lock = threading.Lock()
        self._provider: TracerProvider | None = None

    @contextmanager
    def span(self, name: str, *, after: Trace | None, **said: str | int) -> Iterator[Trace | None]:
        """Do something that follows from `after`; yield the place in the trace, for what follows from this."""
        if not self.on:
            yield after.child() if after else None
            return
        span = self._tracer().start_span(name, context=_context(after), attributes=_named(said))
        try:
            yield _place(span)
        except BaseException as error:
            _failed(span, error)
            raise
        finally:
            span.end()

    def record(self, name: str, *, after: Trace | None, began: int, ended: int, **said: str | int) -> None:
        """Tell of something that is over (`time.time_ns`)."""
        if self.on:
            tracer, context = self._tracer(), _context(after)
            tracer.start_span(name, context=context, attributes=_named(said), start_time=began).end(ended)

    def close(self) -> None:
        """Send what is not sent yet."""
        with self._lock:
            provider, self._provider = self._provider, None
        if provider is not None:
            provider.shutdown()

    def _tracer(self) -> "Tracer":
        with self._lock:
            if self._provider is None:
                self._provider = _provider()
            return self._provider.get_tracer(NAME, version())


def taking_in(app: "WSGIApplication", *, spans: Spans) -> "WSGIApplication":
    """Return the application with a span for each delivery that it takes in; a stranger's request makes none."""
    if not spans.on:
        return app

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        began, statuses = time.time_ns(), []

        def noted(status: str, *rest: Any) -> Callable[[bytes], object]:  # noqa: ANN401 - as the server has it
            statuses.append(status)
            return start_response(status, *rest)

        body = app(environ, noted)
        if statuses and statuses[0].startswith(TAKEN_IN):
            after, path = parse(environ.get("HTTP_TRACEPARENT")), environ["PATH_INFO"]
            spans.record("take in delivery", after=after, began=began, ended=time.time_ns(), path=path)
        return body

    return answer


def from_environment() -> Spans:
    """Make spans where a collector is named and the packages are there."""
    named = any(os.environ.get(name, "").strip() for name in ENDPOINTS)
    if named and not _installed():
        log.warning("no spans: a collector is named, but the extra `otel` is not installed")
        named = False
    return Spans(on=named)


def _installed() -> bool:
    try:
        return find_spec(PACKAGE) is not None
    except ModuleNotFoundError:
        return False


def _provider() -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    own = Resource.create({"service.name": NAME, "service.version": version()})
    provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _context(after: Trace | None) -> "Context":
    """Return the SDK's form of what a span follows from; an empty one begins a trace."""
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    if after is None:
        return Context()
    parent = SpanContext(
        trace_id=int(after.trace_id, 16),
        span_id=int(after.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(int(after.flags, 16)),
    )
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _place(span: "Span") -> Trace | None:
    here = span.get_span_context()
    if not here.is_valid:
        return None
    return Trace(f"{here.trace_id:032x}", f"{here.span_id:016x}", f"{here.trace_flags:02x}")


def _failed(span: "Span", error: BaseException) -> None:
    """Say which error; its text may hold more than a collector is to know."""
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, type(error).__name__))


def _named(said: dict[str, str | int]) -> dict[str, str | int]:
    return {f"{NAME}.{name}": value for name, value in said.items()}
