"""Tell the traces of tasks that are over: at least once, and not for ever where nobody listens."""

import logging
from dataclasses import dataclass
from typing import Final

from server.domain.trace import read_traceparent, trace_of
from server.ports.traces import TraceSink, TraceStore

_log = logging.getLogger(__name__)

BATCH: Final = 100
AGAIN: Final = 60.0
"""Seconds until traces are tried again that did not arrive; longer than a sink takes to give up."""
LIFE: Final = 86_400.0
"""Seconds after its last event for which a trace is worth telling."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Which traces are owed, and where they go."""

    store: TraceStore
    sink: TraceSink


def tell_traces(traces: Traces, now: float) -> int:
    """Send what is owed at `now` (unix seconds), a batch at a time; return how many arrived. Raises Unavailable."""
    store, sink, arrived = traces.store, traces.sink, 0
    while owed := store.take(BATCH, AGAIN):
        known = {one.task.id: (read_traceparent(one.parent), trace_of(one.task, one.events)) for one in owed}
        if sink.send(list(known.values())):
            store.told(known)
            arrived += len(known)
            continue
        old = [task_id for task_id, (_, span) in known.items() if span.end < now - LIFE]
        store.told(old)
        if old:
            _log.warning("%d trace(s) were given up: a day old, and nobody took them", len(old))
        break
    return arrived
