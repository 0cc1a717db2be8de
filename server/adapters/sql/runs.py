"""Counting runs in SQL."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Connection, Select, case, func, literal, or_, select

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now, is_one_of
from server.adapters.sql.tables import TASKS, time_column
from server.domain.lifecycle import TERMINAL, TaskStatus
from server.domain.runs import YOUNG_SECONDS, RunCount, Runs
from server.domain.task import SUCCESS
from server.domain.types import TaskId

_SUBMITTED = TASKS.c[time_column(TaskStatus.QUEUE)]
_SUCCEEDED = TASKS.c.pexit == SUCCESS
_DRAWN = TASKS.c[time_column(TaskStatus.END)] - TASKS.c[time_column(TaskStatus.START)]


class SqlRunCounter:
    """`RunCounter` over a `Database`. It reads along the primary key, only what lies behind `after`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count_runs(self, after: TaskId) -> RunCount:
        """See `RunCounter.count_runs`."""

        def work(connection: Connection) -> RunCount:
            last: int = connection.execute(select(func.max(TASKS.c.id))).scalar_one() or 0
            first_open = connection.execute(_first_open(after)).scalar_one_or_none()
            # Neither falls back behind `after`: whatever is gone from the table since was counted.
            until = TaskId(max(after, last if first_open is None else first_open - 1))
            return RunCount(
                settled_until=until,
                settled=_runs(connection, TASKS.c.id > after, TASKS.c.id <= until),
                others=_runs(connection, TASKS.c.id > until),
            )

        return self._database.read(work)


def _first_open(after: TaskId) -> Select[int]:
    settled = is_one_of(TASKS.c.status, TERMINAL)
    young = Now() - _SUBMITTED < literal(YOUNG_SECONDS)
    return select(TASKS.c.id).where(TASKS.c.id > after, or_(~settled, young)).order_by(TASKS.c.id).limit(1)


def _runs(connection: Connection, *which: ColumnElement[bool]) -> Mapping[str, Runs]:
    def count(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((condition, 1), else_=0))

    query = (
        select(
            TASKS.c.model,
            func.count().label("total"),
            count(_SUCCEEDED).label("succeeded"),
            count(TASKS.c.pexit.not_in(["", SUCCESS])).label("failed"),
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
            seconds=float(row.seconds),
            last_at=row.last_at,
        )
        for row in connection.execute(query)
    }
