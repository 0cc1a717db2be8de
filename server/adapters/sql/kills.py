"""Kill receipts in SQL."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, Double, bindparam, insert, select

from server.adapters.sql.expressions import Now, is_one_of
from server.adapters.sql.kill_table import TASK_KILLS
from server.adapters.sql.tables import TASKS, time_column
from server.domain.kill import Killed, KillReceipt, Means
from server.domain.lifecycle import TaskStatus
from server.domain.types import TaskId

_SINCE: Final = Now() - bindparam("ago", type_=Double) - TASKS.c[time_column(TaskStatus.CANCEL)]
# A cancel in the queue cleared no device: a requeued task has no time of its claim.
_KILLED: Final = select(_SINCE).where(
    TASKS.c.id == bindparam("task_id"),
    TASKS.c.attempt == bindparam("attempt"),
    is_one_of(TASKS.c.status, [TaskStatus.CANCEL]),
    TASKS.c[time_column(TaskStatus.ACCEPT)].is_not(None),
)


def write_kill(connection: Connection, killed: Killed, ago: float) -> float | None:
    """See `TaskStore.write_kill`."""
    key = {"task_id": killed.task_id, "attempt": killed.attempt}
    seconds = connection.execute(_KILLED, {**key, "ago": ago}).scalar_one_or_none()
    written = connection.execute(select(TASK_KILLS.c.task_id).filter_by(**key)).first()
    if seconds is None or written is not None:
        return None
    milliseconds = max(0, round(seconds * 1000))
    values = {**asdict(killed), "means": killed.means.value, "milliseconds": milliseconds}
    connection.execute(insert(TASK_KILLS).values(values))
    return milliseconds / 1000


def kills_of(connection: Connection, task_ids: Collection[TaskId]) -> Mapping[TaskId, KillReceipt]:
    """Return the kill receipts there are; of several attempts the last one's."""
    if not task_ids:
        return {}
    query = select(TASK_KILLS).where(TASK_KILLS.c.task_id.in_(task_ids)).order_by(TASK_KILLS.c.attempt)
    rows = connection.execute(query).mappings()
    return {row["task_id"]: _kill(row) for row in rows}


def _kill(row: Mapping[Any, Any]) -> KillReceipt:
    fields: dict[str, Any] = {**row, "means": Means(row["means"])}
    return KillReceipt(**fields)
