"""Rescue tasks whose worker went silent. Any process may do it at any time: the fresh lease makes it safe."""

import logging
from collections.abc import Callable
from typing import Final

from server.domain.errors import LeaseLost
from server.domain.lifecycle import FINISHING, TaskStatus
from server.domain.log_context import about
from server.domain.rescue import Limits, after_expiry
from server.domain.task import Claimed
from server.domain.types import WorkerId
from server.domain.writes import Move, Requeue
from server.ports import TaskStore
from server.services.story import AFTER_END, last_words

_log = logging.getLogger(__name__)

RESCUE_PACE: Final = 0.1
"""Between two looks, as a share of the lease: of 30 s it is 3, so that a task is back in the queue after 33 at most."""


def rescue(
    tasks: TaskStore, rescuer: WorkerId, seconds: float, limits: Limits, between: Callable[[], None] = lambda: None
) -> int:
    """Take over what ran out, and finish, requeue or end it; return how many tasks were rescued.

    `between` is called after each, for a rescuer with leases of its own to keep.
    """
    taken = tasks.take_over(rescuer, seconds)
    for claimed in taken:
        with about(task_id=claimed.task.id):
            try:
                _rescue_one(tasks, claimed, limits)
            except LeaseLost:
                _log.info("task %s was cancelled while it was being rescued", claimed.task.id)
        between()
    return len(taken)


def _rescue_one(tasks: TaskStore, claimed: Claimed, limits: Limits) -> None:
    task, lease = claimed.task, claimed.lease
    if task.status in FINISHING:
        _log.warning("task %s: its worker went silent while finishing; telling its story to the end", task.id)
        told = task.status is not TaskStatus.END
        tasks.write(lease, [Move(TaskStatus.POSTPROCESS_END)] if told else AFTER_END)
        return
    ending = after_expiry(task, limits)
    if ending is None:
        _log.warning("task %s: its worker went silent in %s; queueing it again", task.id, task.status)
        tasks.write(lease, [Requeue()])
    else:
        _log.error("task %s: %s", task.id, ending.message)
        tasks.write(lease, last_words(ending, log=""))
