"""Tell where a queued task stands and when it may start."""

from typing import Final

from server.domain.expectation import Expectation, expectation
from server.domain.lifecycle import TaskStatus
from server.domain.task import Task
from server.domain.worker import WorkerState
from server.ports import WorkerRegistry
from server.ports.views import QueueView

EVERYBODY: Final = 1_000_000
"""More tasks ahead than this are not counted."""


def expect(
    queue: QueueView, registry: WorkerRegistry, task: Task, *, alive_within: float, most: int = EVERYBODY
) -> Expectation:
    """Return what may be said of the task; nothing unless it is queued, or with more than `most` tasks before it.

    A worker counts when it has beaten in the last `alive_within` seconds and has its model loaded.
    """
    if task.status is not TaskStatus.QUEUE:
        return Expectation()
    sight = queue.sight(task, most)
    workers = sum(worker.state is WorkerState.READY for worker in registry.alive(alive_within))
    return expectation(sight, workers)
