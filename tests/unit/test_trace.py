"""A task's trace: its header, its spans, and who is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.adapters.memory import MemoryStores
from server.domain.events import EventType, NewEvent
from server.domain.lifecycle import TaskStatus
from server.domain.task import Ending
from server.domain.trace import Span, TraceParent, owed_parent, read_traceparent, trace_of
from server.domain.writes import Append, Move, Requeue, WriteReceipt
from server.ports import PageQuery
from server.services.story import last_words
from server.services.tell_traces import AGAIN, BATCH, LIFE, Traces, tell_traces
from tests.stores import Stores, memory_stores, new_task, over

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (HEADER, True),
        (f"  {HEADER} ", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"cc-{TRACE}-{SPAN}-01-of-a-later-version", True),
    ],
)
def test_a_header_names_its_trace_and_its_span(header: str, *, sampled: bool):
    assert read_traceparent(header) == TraceParent(int(TRACE, 16), int(SPAN, 16), sampled)
    assert owed_parent(header) == (header.strip() if sampled else None), "who keeps no trace gets none"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 1000}",
    ],
)
def test_a_header_that_says_nothing_makes_a_trace_of_its_own(header: str):
    assert read_traceparent(header) is None
    assert owed_parent(header) == ""


@given(st.text())
def test_any_header_is_read(header: str):
    assert owed_parent(header) is None or isinstance(owed_parent(header), str)


@pytest.fixture
def stores() -> Stores:
    return memory_stores()


def traced(stores: Stores) -> Span:
    (owed,) = stores.traces.take(10, 60)
    return trace_of(owed.task, owed.events)


def submit(stores: Stores) -> None:
    stores.tasks.submit(replace(new_task(stores.project().id), traceparent=HEADER))


def check_whole(span: Span) -> None:
    """Parts follow each other without a gap, from the first moment to the last."""
    assert [part.start for part in span.parts[1:]] == [part.end for part in span.parts[:-1]]
    assert (span.parts[0].start, span.parts[-1].end) == (span.start, span.end)


def test_a_task_that_was_drawn(stores: Stores):
    submit(stores)
    lease = stores.claim().lease
    for status in (TaskStatus.PREPROCESS_START, TaskStatus.PREPROCESS_END, TaskStatus.ASSIGN, TaskStatus.START):
        stores.tasks.write(lease, [Move(status)])
    stores.tasks.write(lease, [Append((NewEvent(EventType.ERROR, "a remark"),))])
    phases = {"encode": 0.1, "base": 2.5, "refiner": 1, "decode": 0.25}
    stores.tasks.write(lease, [WriteReceipt({"phases": phases}), *last_words(Ending("0"), "")])

    span = traced(stores)

    check_whole(span)
    assert [part.name for part in span.parts] == ["queue", "prepare", "draw", "store"]
    assert span.failure is None
    assert span.attributes["easel.outcome"] == "succeeded"
    draw = span.parts[2].attributes
    assert draw == {"easel.attempt": 1, **{f"easel.{phase}.seconds": seconds for phase, seconds in phases.items()}}


def test_attempts_stand_one_after_the_other(stores: Stores):
    submit(stores)
    for ending in ([Requeue(crashed=True)], last_words(Ending("1", "It broke."), "")):
        lease = stores.claim().lease
        for status in (TaskStatus.PREPROCESS_START, TaskStatus.PREPROCESS_END, TaskStatus.ASSIGN, TaskStatus.START):
            stores.tasks.write(lease, [Move(status)])
        stores.tasks.write(lease, ending)

    span = traced(stores)

    check_whole(span)
    names = [(part.name, part.attributes.get("easel.attempt")) for part in span.parts if part.name != "queue"]
    assert names == [("prepare", 1), ("draw", 1), ("prepare", 2), ("draw", 2), ("store", 2)]
    assert [part.name for part in span.parts].count("queue") == 2
    assert (span.failure, span.attributes["easel.attempts"], span.attributes["easel.crashes"]) == ("It broke.", 2, 1)


def test_one_that_was_cancelled_has_only_waited(stores: Stores):
    submit(stores)
    (task,) = stores.tasks.page(next(iter(stores.projects.all())).id, PageQuery()).tasks
    assert stores.tasks.cancel(task.id, {TaskStatus.QUEUE})
    span = traced(stores)
    check_whole(span)
    assert [part.name for part in span.parts] == ["queue"]
    assert (span.attributes["easel.outcome"], span.failure) == ("cancelled", None)


@dataclass
class Sink:
    up: bool = True
    heard: list[tuple[TraceParent | None, Span]] = field(default_factory=list)
    asked: int = 0

    def send(self, traces: Sequence[tuple[TraceParent | None, Span]]) -> bool:
        self.asked += 1
        if self.up:
            self.heard.extend(traces)
        return self.up


def end_many(stores: Stores, number: int) -> float:
    for _ in range(number):
        submit(stores)
        stores.drive(stores.claim().lease, TaskStatus.POSTPROCESS_END)
    return stores.tasks.page(next(iter(stores.projects.all())).id, PageQuery()).tasks[0].times[TaskStatus.QUEUE]


def test_all_that_is_owed_is_told_once(stores: Stores):
    sink = Sink()
    now = end_many(stores, BATCH + 3)
    traces = Traces(stores.traces, sink)
    assert tell_traces(traces, now) == BATCH + 3
    assert (tell_traces(traces, now), len(sink.heard), sink.asked) == (0, BATCH + 3, 2)
    assert {parent for parent, _ in sink.heard} == {TraceParent(int(TRACE, 16), int(SPAN, 16), sampled=True)}


def test_what_does_not_arrive_is_tried_again_and_given_up_after_a_day():
    now = [1_800_000_000.0]
    stores = over(MemoryStores(now=lambda: now[0]))
    sink = Sink(up=False)
    traces = Traces(stores.traces, sink)
    end_many(stores, 1)

    assert tell_traces(traces, now[0]) == 0
    assert (tell_traces(traces, now[0]), sink.asked) == (0, 1), "not again at once"
    now[0] += AGAIN + 1
    sink.up = True
    assert tell_traces(traces, now[0]) == 1

    sink.up = False
    end_many(stores, 1)
    now[0] += LIFE + 1
    assert tell_traces(traces, now[0]) == 0
    now[0] += AGAIN + 1
    sink.up = True
    assert tell_traces(traces, now[0]) == 0, "given up"
