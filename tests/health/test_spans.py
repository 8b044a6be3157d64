"""With the extra and a collector, spans tell what was done for a delivery, under the trace of that delivery."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from structlog.testing import capture_logs

from plugin import spans
from plugin.errors import Transient
from plugin.trace import parse

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = parse(HEADER)


class Collector:
    """What an OpenTelemetry collector was told: spans by name, and what they are spans of."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resource: dict[str, str] = {}

    def take(self, body: bytes) -> None:
        for told in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resource = {it.key: it.value.string_value for it in told.resource.attributes}
            self.spans += [span for scope in told.scope_spans for span in scope.spans]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@contextmanager
def collecting() -> Iterator[tuple[str, Collector]]:
    """Take in what is sent to an address on loopback."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def collector(monkeypatch) -> Iterator[Collector]:
    with collecting() as (address, found):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        yield found


def said(span: Span) -> dict:
    return {it.key: it.value.string_value or it.value.int_value for it in span.attributes}


def test_without_a_collector_the_trace_goes_on_and_nothing_is_made(monkeypatch):
    for name in spans.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    made = spans.from_environment()
    with made.span("publish", after=TRACE) as here, made.span("publish", after=None) as nowhere:
        made.record("process delivery", after=TRACE, began=0, ended=1)
    made.close()
    assert (made.on, here.trace_id, here.span_id != TRACE.span_id, nowhere) == (
        False,
        TRACE.trace_id,
        True,
        None,
    )


def test_a_named_collector_without_the_extra_is_said_once_and_makes_nothing(monkeypatch, collector):
    monkeypatch.setattr(spans, "PACKAGE", "opentelemetry.not_there.at_all")
    with capture_logs() as lines:
        assert spans.from_environment().on is False
    assert [line["event"] for line in lines] == [
        "no spans: a collector is named, but the extra `otel` is not installed"
    ]


def test_a_span_arrives_under_the_trace_that_came_and_names_what_it_is_of(collector):
    made = spans.from_environment()
    with made.span("publish", after=TRACE, shop=7, customers=2) as here:
        pass
    made.close()
    (span,) = collector.spans
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE.trace_id, TRACE.span_id)
    assert (here.trace_id, here.span_id, here.flags) == (TRACE.trace_id, span.span_id.hex(), "01")
    assert said(span) == {"herkend.shop": 7, "herkend.customers": 2}
    assert (collector.resource["service.name"], collector.resource["service.version"]) == ("herkend", "0.1.0")


def test_the_service_is_named_as_the_environment_says(collector, monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop-app")
    made = spans.from_environment()
    made.record("process delivery", after=None, began=1, ended=2)
    made.close()
    assert (collector.resource["service.name"], len(collector.spans)) == ("shop-app", 1)


def test_what_fails_says_so_without_its_text(collector):
    made = spans.from_environment()
    with pytest.raises(Transient), made.span("read history", after=TRACE):
        raise Transient("ada@example.com")
    made.close()
    (span,) = collector.spans
    assert (span.status.code, span.status.message, b"ada" in span.SerializeToString()) == (
        2,
        "Transient",
        False,
    )


def test_what_was_not_to_be_sampled_is_not_sent_and_its_trace_goes_on(collector):
    made = spans.from_environment()
    with made.span("publish", after=replace(TRACE, flags="00")) as here:
        pass
    made.close()
    assert (collector.spans, here.trace_id, here.flags) == ([], TRACE.trace_id, "00")


def test_a_collector_that_is_away_disturbs_nobody(monkeypatch, caplog):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    made = spans.from_environment()
    with made.span("publish", after=TRACE):
        pass
    made.close()
    assert made.on


def test_nothing_is_begun_before_there_is_something_to_tell(collector):
    before = threading.active_count()
    made = spans.from_environment()
    made.close()
    assert threading.active_count() == before
