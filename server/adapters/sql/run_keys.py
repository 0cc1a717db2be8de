"""Run keys in SQL: what clients named their Runs by. Looked up and written in submit's own transaction."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Delete,
    Double,
    ForeignKey,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    insert,
    literal,
    select,
)

from server.adapters.sql.expressions import Now
from server.adapters.sql.rows import TASK_COLUMNS, Row
from server.adapters.sql.tables import METADATA, TASKS
from server.domain.errors import KeyReused
from server.domain.task import NewTask, RunKey
from server.domain.types import ProjectId, TaskId

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


# Made once: every Run with a key needs them, and to make them takes longer than to run them.
_PROJECT: Final = bindparam("of_project", type_=_ID)
_KEY: Final = bindparam("of_key", type_=RUN_KEYS.c.key.type)
_SECONDS: Final = bindparam("live_seconds", type_=RUN_KEYS.c.created_at.type)
_NAMED: Final = and_(RUN_KEYS.c.project_id == _PROJECT, RUN_KEYS.c.key == _KEY)
_RECALLING: Final = (
    select(RUN_KEYS.c.body_hash, *TASK_COLUMNS)
    .join(TASKS, TASKS.c.id == RUN_KEYS.c.task_id)
    .where(_NAMED, RUN_KEYS.c.created_at > Now() - _SECONDS)
)
_FORGETTING: Final = delete(RUN_KEYS).where(_NAMED)
_REMEMBERING: Final = insert(RUN_KEYS).values(created_at=Now())


def recall(connection: Connection, new: NewTask) -> Row | None:
    """Return the task its run key has made already. Raises KeyReused when that was for another body.

    Whoever asks holds the lock on the project's row: nobody else writes one of its keys meanwhile.
    """
    if new.run_key is None:
        return None
    asked = {**_name(new.project_id, new.run_key), _SECONDS.key: float(new.run_key.seconds)}
    row = connection.execute(_RECALLING, asked).mappings().one_or_none()
    if row is not None and row["body_hash"] != new.run_key.body_hash:
        raise KeyReused
    return row


def remember(connection: Connection, new: NewTask, task_id: TaskId) -> None:
    """Write down which task the run key made, in the place of an expired one."""
    if new.run_key is None:
        return
    connection.execute(_FORGETTING, _name(new.project_id, new.run_key))
    values = {"project_id": new.project_id, "key": new.run_key.text, "body_hash": new.run_key.body_hash}
    connection.execute(_REMEMBERING, {**values, "task_id": task_id})


def forgetting(older_than: float) -> Delete:
    """Return the DELETE of keys of more than so many seconds ago."""
    return delete(RUN_KEYS).where(RUN_KEYS.c.created_at <= Now() - literal(float(older_than)))


def _name(project_id: ProjectId, key: RunKey) -> Mapping[str, Any]:
    return {_PROJECT.key: project_id, _KEY.key: key.text}
