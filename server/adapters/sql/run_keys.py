"""Run keys in SQL: what clients named their Runs by. Looked up and written in submit's own transaction."""

from typing import Final

from sqlalchemy import Column, Connection, Delete, Double, ForeignKey, Table, Text, delete, insert, literal, select

from server.adapters.sql.expressions import Now
from server.adapters.sql.rows import TASK_COLUMNS, Row
from server.adapters.sql.tables import METADATA, TASKS
from server.domain.errors import KeyReused
from server.domain.task import NewTask
from server.domain.types import TaskId

_ID: Final = TASKS.c.id.type

RUN_KEYS: Final = Table(
    "run_keys",
    METADATA,
    Column("project_id", _ID, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("body_hash", Text, nullable=False),
    Column("task_id", _ID, ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Double, nullable=False, index=True),
)


def recall(connection: Connection, new: NewTask) -> Row | None:
    """Return the task its run key has made already. Raises KeyReused when that was for another body.

    Whoever asks holds the lock on the project's row: nobody else writes one of its keys meanwhile.
    """
    if new.run_key is None:
        return None
    live = RUN_KEYS.c.created_at > Now() - literal(float(new.run_key.seconds))
    query = select(RUN_KEYS.c.body_hash, *TASK_COLUMNS).join(TASKS, TASKS.c.id == RUN_KEYS.c.task_id)
    row = connection.execute(query.where(*_named(new), live)).mappings().one_or_none()
    if row is not None and row["body_hash"] != new.run_key.body_hash:
        raise KeyReused
    return row


def remember(connection: Connection, new: NewTask, task_id: TaskId) -> None:
    """Write down which task the run key made, in the place of an expired one."""
    if new.run_key is None:
        return
    connection.execute(delete(RUN_KEYS).where(*_named(new)))
    values = {"project_id": new.project_id, "key": new.run_key.text, "body_hash": new.run_key.body_hash}
    connection.execute(insert(RUN_KEYS).values(**values, task_id=task_id, created_at=Now()))


def forgetting(older_than: float) -> Delete:
    """Return the DELETE of keys of more than so many seconds ago."""
    return delete(RUN_KEYS).where(RUN_KEYS.c.created_at <= Now() - literal(float(older_than)))


def _named(new: NewTask):  # noqa: ANN202
    assert new.run_key is not None
    return RUN_KEYS.c.project_id == new.project_id, RUN_KEYS.c.key == new.run_key.text
