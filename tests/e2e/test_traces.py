"""Traces, from a real server to a collector that reads what it gets with OpenTelemetry's own messages."""

from collections.abc import Iterator, Mapping

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.e2e.processes import eventually, open_site
from tests.receivers import Receiver, receiving, says

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiving(says("200 OK\nContent-Type: application/x-protobuf")) as receiver:
        yield receiver


def spans_of(collector: Receiver) -> list[Span]:
    spans: list[Span] = []
    for request in collector.requests:
        assert request.line.startswith("POST /v1/traces ")
        for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans:
            assert _read(resource.resource.attributes)["service.name"] == "easel"
            spans += [span for scope in resource.scope_spans for span in scope.spans]
    return spans


def _read(attributes) -> Mapping[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def test_a_run_is_told_as_a_part_of_its_clients_trace(tmp_path, collector: Receiver):
    endpoint = f"http://127.0.0.1:{collector.port}"
    with open_site(tmp_path, EASEL_OTLP_ENDPOINT=endpoint) as site:
        site.up()
        client = site.client()

        def run(flags: str) -> dict[str, str]:
            headers = {**client.headers, "traceparent": f"00-{TRACE}-{SPAN}-{flags}"}
            return client.post("Run/hevok/studio-trigger", {"prompt": "a fox", "steps": "5"}, headers=headers).json()

        made, unsampled = run("01"), run("00")
        failed = client.finish(prompt="a fox <fake:fails_at_step:2>", steps="5")
        for drawn in (made, unsampled):
            eventually(lambda drawn=drawn: client.detail(drawn["socketaccesstoken"])["pexit"] == "0")
        eventually(lambda: len({span.trace_id for span in spans_of(collector)}) == 2)

    by_task = {
        _read(span.attributes)["easel.task.id"]: span
        for span in spans_of(collector)
        if span.name == "task hevok/studio-trigger"
    }
    assert set(by_task) == {int(made["taskid"]), int(failed["id"])}
    told, lonely = by_task[int(made["taskid"])], by_task[int(failed["id"])]
    assert (told.trace_id.hex(), told.parent_span_id.hex()) == (TRACE, SPAN)
    assert (lonely.parent_span_id, lonely.status.code) == (b"", Status.STATUS_CODE_ERROR)
    assert lonely.status.message == failed["debugerror"]
    parts = [span for span in spans_of(collector) if span.parent_span_id == told.span_id]
    assert [part.name for part in parts] == ["queue", "prepare", "draw", "store"]
    assert parts[0].start_time_unix_nano == told.start_time_unix_nano
    assert parts[-1].end_time_unix_nano == told.end_time_unix_nano
    assert _read(parts[2].attributes)["easel.base.seconds"] > 0
    assert all(b"fox" not in request.body for request in collector.requests), "what was asked for is nobody's business"


def test_a_collector_that_is_away_holds_nothing_up(tmp_path):
    with open_site(tmp_path, EASEL_OTLP_ENDPOINT="http://127.0.0.1:1") as site:
        site.up()
        done = [site.client().finish(prompt="a fox", steps="5") for _ in range(3)]
        assert [task["pexit"] for task in done] == ["0"] * 3
