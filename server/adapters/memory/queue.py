"""The queue's limits, its run keys and the view of it, over the dictionaries of `MemoryStores`."""

import sys
from collections.abc import Callable, Sequence
from threading import Lock

from server.adapters.memory.projects import MemoryProjects
from server.adapters.memory.row import MemoryRow
from server.domain.errors import KeyReused, NotAuthorized, QueueFull
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
            return self._look(task.project_id, (task.turn, task.id), task.model, most)

    def foresight(self, project_id: ProjectId, model: str, most: int) -> QueueSight:
        """See `QueueView.foresight`."""
        with self._lock:
            if project_id not in self._projects:
                raise NotAuthorized
            return self._look(project_id, (self._next_turn(project_id), sys.maxsize), model, most)

    def latest(self, model: str, limit: int) -> Sequence[Task]:
        """See `QueueView.latest`."""
        with self._lock:
            return self._successes(model)[:limit]

    def _look(self, project_id: ProjectId, place: tuple[int, int], model: str, most: int) -> QueueSight:
        queued = [row.task for row in self._rows.values() if row.task.status is TaskStatus.QUEUE]
        ahead = sum((one.turn, one.id) < place for one in queued)
        times = [one.times for one in self._successes(model)]
        return QueueSight(
            now=self._now(),
            ahead=ahead if ahead <= most else None,
            running=sum(row.token is not None for row in self._rows.values()),
            recent=[each[TaskStatus.END] - each[TaskStatus.ACCEPT] for each in times[:20]],
            held_back=self._full(project_id),
        )

    def _successes(self, model: str) -> Sequence[Task]:
        tasks = (row.task for row in self._rows.values())
        done = [one for one in tasks if one.model == model and one.pexit == SUCCESS]
        return sorted(done, key=lambda one: one.times[TaskStatus.END], reverse=True)

    def _next_turn(self, project_id: ProjectId) -> int:
        queued = [row.task for row in self._rows.values() if row.task.status is TaskStatus.QUEUE]
        own = [task.turn for task in queued if task.project_id == project_id]
        return max(max(own, default=0), min((task.turn for task in queued), default=0)) + 1

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
