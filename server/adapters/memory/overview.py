"""Looking at everything at once, over the dictionaries of `MemoryStores`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from threading import Lock

from server.adapters.memory.row import MemoryRow
from server.domain.lifecycle import TaskStatus
from server.domain.overview import Ended, Happening, Heads, Held, News, QueueDepth, Queues, outcome_of
from server.domain.task import Task
from server.domain.types import ProjectId, TaskId


class MemoryOverview:
    """`Overview` and `ProjectLog` over the rows of a `MemoryStores`, under its lock."""

    def __init__(self, rows: Mapping[TaskId, MemoryRow], lock: Lock, now: Callable[[], float]) -> None:
        self._rows = rows
        self._lock = lock
        self._now = now

    def queues(self) -> Queues:
        """See `Overview.queues`."""
        with self._lock:
            now, rows = self._now(), list(self._rows.values())
        keys = sorted({(row.task.project_id, row.task.model) for row in rows if not row.task.terminal})
        depths: list[QueueDepth] = []
        for project_id, model in keys:
            own = [row for row in rows if (row.task.project_id, row.task.model) == (project_id, model)]
            since = [row.task.times[TaskStatus.QUEUE] for row in own if row.task.status is TaskStatus.QUEUE]
            oldest = max(0.0, now - min(since, default=now))
            running = sum(row.token is not None for row in own)
            depth = QueueDepth(project_id=project_id, model=model, queued=len(since), oldest=oldest, running=running)
            depths.append(depth)
        return Queues(now, depths)

    def held(self, most: int) -> Sequence[Held]:
        """See `Overview.held`."""
        with self._lock:
            rows = [row for row in self._rows.values() if row.token is not None]
        return [_held(row) for row in rows[:most]]

    def ended(self, project_ids: Collection[ProjectId], since: float, most: int) -> Sequence[Ended]:
        """See `Overview.ended`."""
        with self._lock:
            tasks = [row.task for row in self._of(project_ids) if row.task.terminal]
        lately = [task for task in tasks if task.times[task.status] >= since]
        lately.sort(key=lambda one: one.times[one.status], reverse=True)
        finished = [task for task in lately if task.status is not TaskStatus.CANCEL][:most]
        stopped = [task for task in lately if task.status is TaskStatus.CANCEL][:most]
        return sorted(map(_ended, [*finished, *stopped]), key=lambda one: one.at)

    def stirred(self, project_ids: Collection[ProjectId], since: float) -> Heads:
        """See `ProjectLog.stirred`."""
        with self._lock:
            rows = list(self._of(project_ids))
            held = frozenset(row.task.id for row in rows if row.token is not None)
            found = {row.task.id: row.task.last_seq for row in rows if row.token or _lately(row.task, since)}
            return Heads(self._now(), found, held)

    def news(self, cursors: Mapping[TaskId, int]) -> Sequence[News]:
        """See `ProjectLog.news`."""
        with self._lock:
            return [_news(self._rows[task_id], after) for task_id, after in cursors.items() if task_id in self._rows]

    def _of(self, project_ids: Collection[ProjectId]) -> Sequence[MemoryRow]:
        return [row for row in self._rows.values() if row.task.project_id in project_ids]


def _lately(task: Task, since: float) -> bool:
    return task.times[TaskStatus.QUEUE] >= since or (task.terminal and task.times[task.status] >= since)


def _held(row: MemoryRow) -> Held:
    task = row.task
    assert row.worker_id is not None, "whoever holds a lease was named when it was granted"
    return Held(
        id=task.id,
        project_id=task.project_id,
        model=task.model,
        status=task.status,
        attempt=task.attempt,
        worker_id=row.worker_id,
        since=task.times[TaskStatus.ACCEPT],
        progress=row.progress,
    )


def _ended(task: Task) -> Ended:
    at, claimed = task.times[task.status], task.times.get(TaskStatus.ACCEPT)
    return Ended(
        id=task.id,
        project_id=task.project_id,
        model=task.model,
        message=task.message,
        at=at,
        outcome=outcome_of(task.status, task.pexit, claimed=claimed is not None),
        seconds=max(0.0, at - task.times[TaskStatus.QUEUE]),
        drawn=0.0 if claimed is None else max(0.0, at - claimed),
    )


def _news(row: MemoryRow, after: int) -> News:
    task = row.task
    return News(
        id=task.id,
        project_id=task.project_id,
        model=task.model,
        status=task.status,
        pexit=task.pexit,
        message=task.message,
        times=task.times,
        happenings=[
            Happening(seq=event.seq, attempt=event.attempt, type=event.type, at=event.at)
            for event in row.events
            if event.seq > after
        ],
    )
