"""A task's life as a trace: what it did, from when until when, as people look at in a tracing system."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import Final

from server.domain.events import EventType, TaskEvent
from server.domain.lifecycle import TaskStatus
from server.domain.overview import Outcome, outcome_of
from server.domain.task import Task

_HEADER: Final = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?", re.DOTALL)
_LONGEST: Final = 512
_SAMPLED: Final = 1
_WORK: Final = {
    TaskStatus.QUEUE: "queue",
    TaskStatus.ACCEPT: "prepare",
    TaskStatus.PREPROCESS_START: "prepare",
    TaskStatus.PREPROCESS_END: "prepare",
    TaskStatus.ASSIGN: "prepare",
    TaskStatus.START: "draw",
    TaskStatus.END: "store",
    TaskStatus.POSTPROCESS_START: "store",
}
_STATUS: Final = {EventType.of(status): status for status in TaskStatus}

Attribute = str | int | float


@dataclass(frozen=True, slots=True)
class TraceParent:
    """The span that a client was in when it asked: its trace and itself, and whether anybody keeps that trace."""

    trace_id: int
    span_id: int
    sampled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of work: its times in unix seconds, what is known of it, and, if it went wrong, what is said of that."""

    name: str
    start: float
    end: float
    attributes: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])
    failure: str | None = None
    parts: Sequence["Span"] = ()


def read_traceparent(header: str) -> TraceParent | None:
    """Read a `traceparent` header as https://www.w3.org/TR/trace-context/ has it; None for one that says nothing."""
    found = _HEADER.fullmatch(header.strip()) if len(header) <= _LONGEST else None
    if found is None:
        return None
    trace_id, span_id, flags = (int(digits, 16) for digits in found.groups())
    if not trace_id or not span_id:
        return None
    return TraceParent(trace_id, span_id, sampled=bool(flags & _SAMPLED))


def owed_parent(header: str) -> str | None:
    """Return what to keep of a Run's `traceparent` header: itself, "" for a trace of its own, None for no trace."""
    parent = read_traceparent(header)
    if parent is None:
        return ""
    return header.strip() if parent.sampled else None


def trace_of(task: Task, events: Sequence[TaskEvent]) -> Span:
    """Return a task that is over as a span, with a part for each stretch of waiting and of work, attempt by attempt."""
    moves = [event for event in events if event.type in _STATUS]
    outcome = outcome_of(task.status, task.pexit, claimed=task.attempt > 0)
    return Span(
        name=f"task {task.model}",
        start=moves[0].at,
        end=moves[-1].at,
        attributes={
            "easel.task.id": int(task.id),
            "easel.project.id": int(task.project_id),
            "easel.model": task.model,
            "easel.outcome": outcome.value,
            "easel.attempts": task.attempt,
            "easel.crashes": task.crashes,
            "easel.pictures": len(task.outputs),
        },
        failure=(task.message or outcome.value) if outcome is Outcome.FAILED else None,
        parts=_with_phases([_part(list(pairs)) for _, pairs in groupby(pairwise(moves), _stretch)], task),
    )


def _stretch(pair: tuple[TaskEvent, TaskEvent]) -> tuple[str, int]:
    begun, _ = pair
    return _WORK[_STATUS[begun.type]], begun.attempt


def _part(pairs: Sequence[tuple[TaskEvent, TaskEvent]]) -> Span:
    name, attempt = _stretch(pairs[0])
    return Span(
        name=name,
        start=pairs[0][0].at,
        end=pairs[-1][1].at,
        attributes={"easel.attempt": attempt} if attempt else {},
    )


def _with_phases(parts: Sequence[Span], task: Task) -> Sequence[Span]:
    """Note with the last drawing how many seconds each phase took: those of several pictures are interleaved."""
    phases = task.receipt.get("phases")
    place = max((number for number, part in enumerate(parts) if part.name == "draw"), default=None)
    if place is None or not isinstance(phases, Mapping):
        return parts
    drawn = parts[place]
    spent: dict[str, Attribute] = {
        f"easel.{phase}.seconds": seconds for phase, seconds in phases.items() if isinstance(seconds, int | float)
    }
    return [*parts[:place], replace(drawn, attributes={**drawn.attributes, **spent}), *parts[place + 1 :]]
