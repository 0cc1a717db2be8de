"""The queue's limits, its run keys and the view of it, over the dictionaries of `MemoryStores`."""

from collections.abc import Callable, Sequence
from threading import Lock

from server.adapters.memory.projects import MemoryProjects
from server.adapters.memory.row import MemoryRow
from server.domain.errors import KeyReused, QueueFull
from server.domain.expectation import QueueSight
from server.domain.lifecycle import TaskStatus
from server.domain.quota import Quota, refusal
from server.domain.task import SUCCESS, NewTask, Task
from server.domain.types import ProjectId, TaskId


class MemoryQueue(MemoryProjects):
    """A part of `MemoryStores`, under its lock."""

    def __init__(self, now: Callable[[], float], lock: Lock, quota: Quota) -> None:
        super().__init__(now, lock)
        self._quota = quota
        self._rows: dict[TaskId, MemoryRow] = {}
        self._run_keys: dict[tuple[ProjectId, str], tuple[float, str, TaskId]] = {}

    def forget_run_keys(self, older_than: float) -> int:
        """See `TaskStore.forget_run_keys`."""
        with self._lock:
            until = self._now() - older_than
            old = [name for name, (at, _, _) in self._run_keys.items() if at <= until]
            for name in old:
                del self._run_keys[name]
            return len(old)

    def sight(self, task: Task, most: int) -> QueueSight:
        """See `QueueView.sight`."""
        with self._lock:
            tasks = [row.task for row in self._rows.values()]
            queued = [one for one in tasks if one.status is TaskStatus.QUEUE]
            ahead = sum((one.turn, one.id) < (task.turn, task.id) for one in queued)
            done = [one.times for one in tasks if one.model == task.model and one.pexit == SUCCESS]
            done.sort(key=lambda times: times[TaskStatus.END], reverse=True)
            return QueueSight(
                now=self._now(),
                ahead=ahead if ahead <= most else None,
                running=sum(row.token is not None for row in self._rows.values()),
                recent=[times[TaskStatus.END] - times[TaskStatus.ACCEPT] for times in done[:20]],
                held_back=self._full(task.project_id),
            )

    def _recall(self, new: NewTask) -> Task | None:
        kept = new.run_key and self._run_keys.get((new.project_id, new.run_key.text))
        if not new.run_key or not kept:
            return None
        at, body_hash, task_id = kept
        if at <= self._now() - new.run_key.seconds:
            return None
        if body_hash != new.run_key.body_hash:
            raise KeyReused
        return self._rows[task_id].task

    def _check_room(self, project_id: ProjectId, queued: Sequence[Task]) -> None:
        own = sum(task.project_id == project_id for task in queued)
        limit = self._quota.queued_of(self._projects[project_id].queued_limit)
        refused = refusal(own, limit, len(queued), self._quota.total)
        if refused is not None:
            raise QueueFull(refused)

    def _full(self, project_id: ProjectId) -> bool:
        held = (row for row in self._rows.values() if row.token is not None)
        running = sum(row.task.project_id == project_id for row in held)
        return running >= self._quota.running_of(self._projects[project_id].running_limit)

    def _remember(self, new: NewTask, task_id: TaskId) -> None:
        if new.run_key is not None:
            self._run_keys[new.project_id, new.run_key.text] = (self._now(), new.run_key.body_hash, task_id)
