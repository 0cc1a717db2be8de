"""Counting runs in SQL."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, not_, select

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now, is_one_of
from server.adapters.sql.fence import IS_LEASED
from server.adapters.sql.tables import TASKS, time_column
from server.domain.lifecycle import TaskStatus
from server.domain.runs import YOUNG_SECONDS, RunCount, Runs
from server.domain.task import SUCCESS
from server.domain.types import TaskId

_SUBMITTED = TASKS.c[time_column(TaskStatus.QUEUE)]
_SUCCEEDED = TASKS.c.pexit == SUCCESS
_STOPPED = is_one_of(TASKS.c.status, [TaskStatus.CANCEL])
_CLAIMED = TASKS.c[time_column(TaskStatus.ACCEPT)].is_not(None)
_DRAWN = TASKS.c[time_column(TaskStatus.END)] - TASKS.c[time_column(TaskStatus.START)]


class SqlRunCounter:
    """`RunCounter` over a `Database`. It reads along the primary key, each row behind `after` once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count_runs(self, after: TaskId) -> RunCount:
        """See `RunCounter.count_runs`."""

        def work(connection: Connection) -> RunCount:
            last_old: int = connection.execute(LAST_OLD).scalar_one_or_none() or 0
            open_ids = [connection.execute(query).scalar_one() for query in (FIRST_QUEUED, FIRST_LEASED)]
            bounds = [last_old, *(first - 1 for first in open_ids if first is not None)]
            # It never falls back: whatever is gone from the table since was counted.
            until = TaskId(max(after, min(bounds)))
            return RunCount(
                settled_until=until,
                settled=_runs(connection, TASKS.c.id > after, TASKS.c.id <= until),
                others=_runs(connection, TASKS.c.id > until),
            )

        return self._database.read(work)


# Walks from the end past the young ones only: ids are given in the order of submission, or nearly.
LAST_OLD: Final = (
    select(TASKS.c.id).where(Now() - literal(YOUNG_SECONDS) >= _SUBMITTED).order_by(TASKS.c.id.desc()).limit(1)
)
# The sum keeps a planner from walking the primary key for the least id: the partial indexes hold open tasks only.
_ID: Final = func.min(TASKS.c.id + 0)
FIRST_QUEUED: Final = select(_ID).where(is_one_of(TASKS.c.status, [TaskStatus.QUEUE]))
FIRST_LEASED: Final = select(_ID).where(IS_LEASED)


def _runs(connection: Connection, *which: ColumnElement[bool]) -> Mapping[str, Runs]:
    def count(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((condition, 1), else_=0))

    query = (
        select(
            TASKS.c.model,
            func.count().label("total"),
            count(_SUCCEEDED).label("succeeded"),
            count(TASKS.c.pexit.not_in(["", SUCCESS])).label("failed"),
            count(and_(_STOPPED, _CLAIMED)).label("killed"),
            count(and_(_STOPPED, not_(_CLAIMED))).label("cancelled"),
            func.coalesce(func.sum(case((_SUCCEEDED, _DRAWN), else_=0.0)), 0.0).label("seconds"),
            func.max(_SUBMITTED).label("last_at"),
        )
        .where(*which)
        .group_by(TASKS.c.model)
    )
    return {
        row.model: Runs(
            total=row.total,
            succeeded=int(row.succeeded),
            failed=int(row.failed),
            killed=int(row.killed),
            cancelled=int(row.cancelled),
            seconds=float(row.seconds),
            last_at=row.last_at,
        )
        for row in connection.execute(query)
    }
