"""Cancel (a queued task) and kill (a running one): one guarded move each, exact to the task and idempotent."""

from collections.abc import Collection
from typing import Final

from server.domain.errors import NotPossible
from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.task import Task
from server.domain.types import ProjectId
from server.ports import TaskStore, Wakeups
from server.services.find import TaskRef, find_task

_QUEUED: Final = frozenset({TaskStatus.QUEUE})


def cancel(tasks: TaskStore, wakeups: Wakeups, project_id: ProjectId, ref: TaskRef | None) -> Task:
    """Cancel a queued task; an already cancelled one is returned as it is. Raises NotPossible otherwise."""
    task = find_task(tasks, project_id, ref)
    return _stop(tasks, wakeups, task, _QUEUED) or _refuse("Task is not in a cancellable state.")


def kill(tasks: TaskStore, wakeups: Wakeups, project_id: ProjectId, ref: TaskRef | None) -> Task:
    """Kill a running task, or cancel it if it is still queued; an already cancelled one is returned as it is.

    Raises NotPossible once its outcome is written.
    """
    task = find_task(tasks, project_id, ref)
    return _stop(tasks, wakeups, task, _QUEUED | RUNNING) or _refuse(
        "Task could not be killed: it has already finished."
    )


def _stop(tasks: TaskStore, wakeups: Wakeups, task: Task, sources: Collection[TaskStatus]) -> Task | None:
    if task.status is TaskStatus.CANCEL:
        return task
    stopped = tasks.cancel(task.id, sources)
    if stopped is None:
        # Somebody was faster: if it was another cancel, the caller has what he wants.
        now = tasks.find(task.project_id, task.id)
        return now if now is not None and now.status is TaskStatus.CANCEL else None
    wakeups.wake()
    return stopped


def _refuse(reason: str) -> Task:
    raise NotPossible(reason)
