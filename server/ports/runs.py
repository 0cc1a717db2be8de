"""Counting runs."""

from typing import Protocol

from server.domain.runs import RunCount
from server.domain.types import TaskId


class RunCounter(Protocol):
    """Counting what became of tasks."""

    def count_runs(self, after: TaskId) -> RunCount:
        """Count the runs of all tasks with an id above `after`, of all projects; 0 counts every task.

        Reads every row behind `after` once, none before it. Settled are the tasks below the first one that is not
        terminal, and no further than the last one older than `YOUNG_SECONDS`.
        """
        ...
