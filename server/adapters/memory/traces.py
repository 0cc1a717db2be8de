"""Owed traces in memory, beside the tasks they are of."""

from collections.abc import Callable, Collection, Mapping, Sequence
from threading import Lock

from server.adapters.memory.row import MemoryRow
from server.domain.lifecycle import TERMINAL
from server.domain.types import TaskId
from server.ports.traces import OwedTrace


class MemoryTraceStore:
    """`TraceStore` over the rows of `MemoryStores`, under their lock."""

    def __init__(self, rows: Mapping[TaskId, MemoryRow], lock: Lock, now: Callable[[], float]) -> None:
        self._rows = rows
        self._lock = lock
        self._now = now
        self._owed: dict[TaskId, tuple[str, float]] = {}

    def owe(self, task_id: TaskId, parent: str) -> None:
        """Note that a new task's trace is to be told. The caller holds the lock."""
        self._owed[task_id] = (parent, 0.0)

    def take(self, limit: int, seconds: float) -> Sequence[OwedTrace]:
        """See `TraceStore.take`."""
        with self._lock:
            now = self._now()
            over = [
                task_id
                for task_id, (_, until) in sorted(self._owed.items())
                if until <= now and self._rows[task_id].task.status in TERMINAL
            ]
            for task_id in over[:limit]:
                self._owed[task_id] = (self._owed[task_id][0], now + seconds)
            rows = [self._rows[task_id] for task_id in over[:limit]]
            return [OwedTrace(row.task, tuple(row.events), self._owed[row.task.id][0]) for row in rows]

    def told(self, task_ids: Collection[TaskId]) -> None:
        """See `TraceStore.told`."""
        with self._lock:
            for task_id in task_ids:
                self._owed.pop(task_id, None)
