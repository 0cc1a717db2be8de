"""Rescue tasks whose worker went silent. Any process may do it at any time: the fresh lease makes it safe."""

import logging
from typing import Final

from server.domain.errors import LeaseLost
from server.domain.events import NewEvent
from server.domain.lifecycle import FINISHING, TaskStatus
from server.domain.log_context import about
from server.domain.rescue import Limits, after_expiry
from server.domain.task import Claimed, Ending, Lease
from server.domain.types import WorkerId
from server.ports import TaskStore
from server.services.story import ending_events

_log = logging.getLogger(__name__)

RESCUE_PACE: Final = 0.1
"""Between two looks, as a share of the lease: of 30 s it is 3, so that a task is back in the queue after 33 at most."""


def rescue(tasks: TaskStore, rescuer: WorkerId, seconds: float, limits: Limits) -> int:
    """Take over what ran out, and finish, requeue or end it; return how many tasks were rescued."""
    taken = tasks.take_over(rescuer, seconds)
    for claimed in taken:
        with about(task_id=claimed.task.id):
            try:
                _rescue_one(tasks, claimed, limits)
            except LeaseLost:
                _log.info("task %s was cancelled while it was being rescued", claimed.task.id)
    return len(taken)


def _rescue_one(tasks: TaskStore, claimed: Claimed, limits: Limits) -> None:
    task, lease = claimed.task, claimed.lease
    if task.status in FINISHING:
        _log.warning("task %s: its worker went silent while finishing; telling its story to the end", task.id)
        finish(tasks, lease, task.status)
        return
    ending = after_expiry(task, limits)
    if ending is None:
        _log.warning("task %s: its worker went silent in %s; queueing it again", task.id, task.status)
        tasks.requeue(lease)
    else:
        _log.error("task %s: %s", task.id, ending.message)
        end(tasks, lease, ending, log="")


def end(tasks: TaskStore, lease: Lease, ending: Ending, log: str) -> None:
    """End a running task and tell its story to the end."""
    before: list[NewEvent] = ending_events(ending, log)
    tasks.move(lease, TaskStatus.END, before=before, ending=ending)
    finish(tasks, lease, TaskStatus.END)


def finish(tasks: TaskStore, lease: Lease, status: TaskStatus) -> None:
    """Lead a task whose outcome is written from `status` to its terminal status."""
    if status is TaskStatus.END:
        tasks.move(lease, TaskStatus.POSTPROCESS_START)
    tasks.move(lease, TaskStatus.POSTPROCESS_END)
