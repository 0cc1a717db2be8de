"""Looking at the queue and at what became of its tasks."""

from collections.abc import Sequence
from typing import Protocol

from server.domain.expectation import QueueSight
from server.domain.task import Task
from server.domain.types import ProjectId


class QueueView(Protocol):
    """Looking at the queue from one task's place. Nothing is locked."""

    def sight(self, task: Task, most: int) -> QueueSight:
        """Return what is seen from a queued task; no more than `most` tasks ahead of it are counted."""
        ...

    def foresight(self, project_id: ProjectId, model: str, most: int) -> QueueSight:
        """Return what would be seen from a task of that model, if the project submitted it now.

        Raises NotAuthorized when there is no such project.
        """
        ...

    def latest(self, model: str, limit: int) -> Sequence[Task]:
        """Return the model's latest successful tasks, of all projects, newest first."""
        ...
