"""Reading the log in SQL."""

from collections.abc import Collection, Mapping
from itertools import islice
from typing import Final

from sqlalchemy import Connection, func, select

from server.adapters.sql.engines import Database
from server.adapters.sql.rows import TASK_COLUMNS, tasks_of
from server.adapters.sql.tables import TASK_EVENTS, TASK_PROGRESS, TASKS
from server.domain.events import EventType, TaskEvent
from server.domain.task import Head, Progress
from server.domain.types import TaskId
from server.ports import Story

_BATCH: Final = 1000
"""Databases limit the parameters of a statement."""


class SqlEventLog:
    """`EventLog` over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def heads(self, task_ids: Collection[TaskId]) -> Mapping[TaskId, Head]:
        """See `EventLog.heads`."""

        def work(connection: Connection) -> Mapping[TaskId, Head]:
            found: dict[TaskId, Head] = {}
            waiting = iter(task_ids)
            while batch := list(islice(waiting, _BATCH)):
                found |= _heads(connection, batch)
            return found

        return self._database.read(work) if task_ids else {}

    def story(self, task_id: TaskId, after: int = 0) -> Story | None:
        """See `EventLog.story`."""

        def work(connection: Connection) -> Story | None:
            rows = connection.execute(select(*TASK_COLUMNS).where(TASKS.c.id == task_id)).mappings().all()
            if not rows:
                return None
            return Story(
                tasks_of(connection, rows)[0], _events(connection, task_id, after), _progress(connection, task_id)
            )

        return self._database.read(work)


def _heads(connection: Connection, task_ids: Collection[TaskId]) -> Mapping[TaskId, Head]:
    version = func.coalesce(TASK_PROGRESS.c.version, 0)
    query = select(TASKS.c.id, TASKS.c.last_seq, version).select_from(TASKS.outerjoin(TASK_PROGRESS))
    rows = connection.execute(query.where(TASKS.c.id.in_(task_ids)))
    return {task_id: Head(last_seq=last_seq, progress_version=version) for task_id, last_seq, version in rows}


def _events(connection: Connection, task_id: TaskId, after: int) -> tuple[TaskEvent, ...]:
    query = select(TASK_EVENTS).where(TASK_EVENTS.c.task_id == task_id, TASK_EVENTS.c.seq > after)
    return tuple(
        TaskEvent(
            task_id=row.task_id,
            seq=row.seq,
            attempt=row.attempt,
            type=EventType(row.type),
            message=row.message,
            at=row.at,
        )
        for row in connection.execute(query.order_by(TASK_EVENTS.c.seq))
    )


def _progress(connection: Connection, task_id: TaskId) -> Progress | None:
    row = connection.execute(select(TASK_PROGRESS).where(TASK_PROGRESS.c.task_id == task_id)).one_or_none()
    if row is None or row.payload is None:
        return None
    return Progress(version=row.version, attempt=row.attempt, payload=row.payload)
