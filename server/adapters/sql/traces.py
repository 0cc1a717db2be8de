"""Owed traces in SQL: written in submit's own transaction, and only where traces are told at all."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Column,
    Connection,
    Double,
    ForeignKey,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from server.adapters.sql.engines import Database
from server.adapters.sql.event_log import events_of
from server.adapters.sql.expressions import Now, is_one_of
from server.adapters.sql.rows import TASK_COLUMNS, tasks_of
from server.adapters.sql.tables import METADATA, TASKS
from server.domain.lifecycle import TERMINAL
from server.domain.task import NewTask
from server.domain.types import TaskId
from server.ports.traces import OwedTrace

_ID: Final = TASKS.c.id.type

TASK_TRACES: Final = Table(
    "task_traces",
    METADATA,
    Column("task_id", _ID, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("parent", Text, nullable=False),
    # Until then whoever has taken it tries to tell it.
    Column("taken_until", Double, nullable=False),
)

_FREE: Final = TASK_TRACES.c.taken_until <= Now()
_IDS: Final[BindParameter[Any]] = bindparam("task_ids", expanding=True)
_OVER: Final = (
    select(TASK_TRACES.c.task_id)
    .join(TASKS, TASKS.c.id == TASK_TRACES.c.task_id)
    .where(_FREE, is_one_of(TASKS.c.status, TERMINAL))
    .order_by(TASK_TRACES.c.task_id)
    .limit(bindparam("most"))
)


def owe_trace(connection: Connection, new: NewTask, task_id: TaskId) -> None:
    """Write down that a new task's trace is to be told, if it is."""
    if new.traceparent is not None:
        values = {"task_id": task_id, "parent": new.traceparent, "taken_until": 0.0}
        connection.execute(insert(TASK_TRACES).values(values))


class SqlTraceStore:
    """`TraceStore` over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, limit: int, seconds: float) -> Sequence[OwedTrace]:
        """See `TraceStore.take`."""
        # Looked for outside of the transaction that writes: what is open may be many, and SQLite has one writer.
        over = self._database.read(lambda connection: connection.execute(_OVER, {"most": limit}).scalars().all())
        if not over:
            return []
        taking = (
            update(TASK_TRACES)
            .where(TASK_TRACES.c.task_id.in_(over), _FREE)
            .values(taken_until=Now() + seconds)
            .returning(TASK_TRACES.c.task_id, TASK_TRACES.c.parent)
        )

        def work(connection: Connection) -> Mapping[TaskId, str]:
            return {row.task_id: row.parent for row in connection.execute(taking)}

        taken = self._database.write(work)
        return self._database.read(lambda connection: _owed(connection, taken))

    def told(self, task_ids: Collection[TaskId]) -> None:
        """See `TraceStore.told`."""
        if task_ids:
            gone = delete(TASK_TRACES).where(TASK_TRACES.c.task_id.in_(list(task_ids)))
            self._database.write(lambda connection: connection.execute(gone))


def _owed(connection: Connection, taken: Mapping[TaskId, str]) -> Sequence[OwedTrace]:
    query = select(*TASK_COLUMNS).where(TASKS.c.id.in_(_IDS)).order_by(TASKS.c.id)
    tasks = tasks_of(connection, connection.execute(query, {_IDS.key: list(taken)}).mappings().all())
    return [OwedTrace(task, events_of(connection, task.id, 0), taken[task.id]) for task in tasks]
