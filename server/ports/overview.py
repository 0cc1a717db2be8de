"""Looking at everything at once, and following whole projects."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from server.domain.overview import Ended, Heads, Held, News, Queues
from server.domain.types import ProjectId, TaskId


class Overview(Protocol):
    """Figures about tasks of several projects. Nothing is locked, and no finished task is read but those asked for.

    Every verb raises `Unavailable` when the database is away.
    """

    def queues(self) -> Queues:
        """Return how many tasks wait and how many are held, by project and model."""
        ...

    def held(self, most: int) -> Sequence[Held]:
        """Return what workers hold, by id; `most` at most."""
        ...

    def ended(self, project_ids: Collection[ProjectId], since: float, most: int) -> Sequence[Ended]:
        """Return what of these projects ended at `since` (unix seconds) or later; of each kind the latest `most`."""
        ...


class ProjectLog(Protocol):
    """Following every task of some projects, by the seq of each.

    There is no order of all events of a project that a reader could resume from: what comes first may be committed
    last. So a reader keeps a cursor into each task's log, and asks which tasks may have gone beyond it.
    """

    def stirred(self, project_ids: Collection[ProjectId], since: float) -> Heads:
        """Return the tasks that a worker holds, that were submitted since, or that ended since (unix seconds).

        Times are those that the rows bear. A row that is committed late is found if `since` lies `LATE_SECONDS` back.
        """
        ...

    def news(self, cursors: Mapping[TaskId, int]) -> Sequence[News]:
        """Return these tasks, each with what has happened after its cursor, in order; unknown ids are left out."""
        ...
