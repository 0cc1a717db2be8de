"""Reading the log in SQL."""

from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from server.adapters.sql.engines import Database
from server.adapters.sql.rows import TASK_COLUMNS, tasks_of
from server.adapters.sql.tables import TASK_EVENTS, TASK_PROGRESS, TASKS
from server.domain.events import EventType, TaskEvent
from server.domain.task import Head, Progress
from server.domain.types import TaskId
from server.ports import Story

_BATCH: Final = 1000
"""Databases limit the parameters of a statement."""

# Made once: the hub reads them many times a second.
_IDS: Final[BindParameter[Any]] = bindparam("task_ids", expanding=True)
_VERSION: Final = func.coalesce(TASK_PROGRESS.c.version, 0)
HEADS: Final = (
    select(TASKS.c.id, TASKS.c.last_seq, _VERSION)
    .select_from(TASKS.outerjoin(TASK_PROGRESS))
    .where(TASKS.c.id.in_(_IDS))
)
_TASK: Final = select(*TASK_COLUMNS).where(TASKS.c.id == bindparam("id"))
_STORY: Final = (
    select(TASK_EVENTS)
    .where(TASK_EVENTS.c.task_id == bindparam("id"), TASK_EVENTS.c.seq > bindparam("after"))
    .order_by(TASK_EVENTS.c.seq)
)
_PROGRESS: Final = select(TASK_PROGRESS).where(TASK_PROGRESS.c.task_id == bindparam("id"))


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
            rows = connection.execute(_TASK, {"id": task_id}).mappings().all()
            if not rows:
                return None
            return Story(
                tasks_of(connection, rows)[0], events_of(connection, task_id, after), _progress(connection, task_id)
            )

        return self._database.read(work)


def _heads(connection: Connection, task_ids: Collection[TaskId]) -> Mapping[TaskId, Head]:
    rows = connection.execute(HEADS, {_IDS.key: list(task_ids)})
    return {task_id: Head(last_seq=last_seq, progress_version=version) for task_id, last_seq, version in rows}


def events_of(connection: Connection, task_id: TaskId, after: int) -> tuple[TaskEvent, ...]:
    """Return a task's events with numbers above `after`, in their order."""
    return tuple(
        TaskEvent(
            task_id=row.task_id,
            seq=row.seq,
            attempt=row.attempt,
            type=EventType(row.type),
            message=row.message,
            at=row.at,
        )
        for row in connection.execute(_STORY, {"id": task_id, "after": after})
    )


def _progress(connection: Connection, task_id: TaskId) -> Progress | None:
    row = connection.execute(_PROGRESS, {"id": task_id}).one_or_none()
    if row is None or row.payload is None:
        return None
    return Progress(version=row.version, attempt=row.attempt, payload=row.payload)
