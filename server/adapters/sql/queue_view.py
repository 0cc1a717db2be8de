"""Looking at the queue in SQL: index entries only, in one read transaction."""

from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, String, func, literal_column, select

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now, is_one_of
from server.adapters.sql.queue import NO_QUOTA
from server.adapters.sql.tables import PROJECTS, TASKS, time_column
from server.domain.expectation import QueueSight
from server.domain.lifecycle import TaskStatus
from server.domain.quota import Quota
from server.domain.task import Task

_RECENT: Final = 20


class SqlQueueView:
    """`QueueView` over a `Database`."""

    def __init__(self, database: Database, quota: Quota = NO_QUOTA) -> None:
        self._database = database
        self._quota = quota

    def sight(self, task: Task, most: int) -> QueueSight:
        """See `QueueView.sight`."""

        def work(connection: Connection) -> QueueSight:
            now, ahead, running, own, limit = connection.execute(_counting(task, most)).one()
            return QueueSight(
                now=now,
                ahead=ahead if ahead <= most else None,
                running=running,
                recent=connection.execute(recent_runs(task.model)).scalars().all(),
                held_back=own >= self._quota.running_of(limit),
            )

        return self._database.read(work)


def _counting(task: Task, most: int) -> Select[float, int, int, int, int | None]:
    leased = select(func.count()).select_from(TASKS).where(TASKS.c.lease_until.is_not(None))
    own = leased.where(TASKS.c.project_id == task.project_id)
    limit = PROJECTS.c.running_limit
    columns = (Now(), ahead_of(task, most), leased.scalar_subquery(), own.scalar_subquery(), limit)
    return select(*columns).where(PROJECTS.c.id == task.project_id)


def ahead_of(task: Task, most: int) -> ColumnElement[int]:
    """Return how many queued tasks come before this one, in the order of the claim; exact up to `most`."""
    queued = is_one_of(TASKS.c.status, [TaskStatus.QUEUE])
    earlier = select(TASKS.c.id).where(queued, TASKS.c.turn < task.turn).limit(most + 1).subquery()
    same = select(TASKS.c.id).where(queued, TASKS.c.turn == task.turn, TASKS.c.id < task.id).limit(most + 1).subquery()
    first, second = (select(func.count()).select_from(found).scalar_subquery() for found in (earlier, same))
    return first + second


def recent_runs(model: str) -> Select[float]:
    """Return the seconds from claim to end of the model's latest successful tasks."""
    end = TASKS.c[time_column(TaskStatus.END)]
    start = TASKS.c[time_column(TaskStatus.ACCEPT)]
    # Written out like a status: a planner must see that the partial index fits.
    succeeded = TASKS.c.pexit == literal_column("'0'", String())
    return select(end - start).where(TASKS.c.model == model, succeeded).order_by(end.desc()).limit(_RECENT)
