"""Rows as the domain's types. Only what is named here leaves the storage room."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import BindParameter, Connection, bindparam, select

from server.adapters.sql.kills import kills_of
from server.adapters.sql.receipt_table import TASK_RECEIPTS
from server.adapters.sql.tables import FILES, TASKS, time_column
from server.adapters.sql.upload_tables import TASK_REMOVALS
from server.domain.files import Reason
from server.domain.kill import KillReceipt
from server.domain.lifecycle import TERMINAL, TaskStatus
from server.domain.task import Claimed, Lease, Output, Task
from server.domain.types import JsonObject, TaskId

TASK_COLUMNS: Final = tuple(column for column in TASKS.c if column.name not in {"worker_id", "lease_until"})
"""What a statement must return for `task_of` and `claimed_of`."""

_NOT_YET: Final = {time_column(status) for status in TaskStatus} - {
    time_column(TaskStatus.QUEUE),
    time_column(TaskStatus.ACCEPT),
}
CLAIM_COLUMNS: Final = tuple(column for column in TASK_COLUMNS if column.name not in _NOT_YET)
"""The same of a task that is being claimed, and has come no further: each column more is felt."""

FILE_COLUMNS: Final = tuple(column for column in FILES.c if column.name != "task_id")
"""What a statement must return for `output_of`."""

_SAME_NAME: Final = (
    *("id", "uuid", "project_id", "token", "model", "parameters", "values", "callback_url", "base_url"),
    *("turn", "attempt", "crashes", "last_seq", "pexit", "message", "cps"),
)
_TIME_COLUMNS: Final = {status: time_column(status) for status in TaskStatus}

# Made once: they go with every task that is read.
_IDS: Final[BindParameter[Any]] = bindparam("task_ids", expanding=True)
_FILES: Final = select(FILES).where(FILES.c.task_id.in_(_IDS)).order_by(FILES.c.task_id, FILES.c.sample)
_RECEIPTS: Final = select(TASK_RECEIPTS.c.task_id, TASK_RECEIPTS.c.body).where(TASK_RECEIPTS.c.task_id.in_(_IDS))

Row: TypeAlias = Mapping[Any, Any]
"""A row by column name."""


def task_of(
    row: Row,
    files: Sequence[Output] = (),
    removed: Reason | None = None,
    receipt: JsonObject | None = None,
    kill: KillReceipt | None = None,
) -> Task:
    """Return the task a row describes."""
    return Task(
        **{name: row[name] for name in _SAME_NAME},
        status=TaskStatus(row["status"]),
        times={status: at for status, name in _TIME_COLUMNS.items() if name in row and (at := row[name]) is not None},
        files=tuple(files),
        removed=removed,
        receipt=receipt or {},
        kill=kill,
    )


def claimed_of(row: Row, files: Sequence[Output] = ()) -> Claimed:
    """Return the task and the lease its row carries."""
    task = task_of(row, files)
    return Claimed(task=task, lease=Lease(task_id=task.id, attempt=task.attempt, token=row["lease_token"]))


def output_of(row: Row) -> Output:
    """Return the picture a row describes."""
    return Output(**{column.name: row[column.name] for column in FILE_COLUMNS})


def files_of(connection: Connection, task_ids: Collection[TaskId]) -> Mapping[TaskId, Sequence[Output]]:
    """Return the pictures of each task in sample order: one query for a page."""
    found: dict[TaskId, list[Output]] = defaultdict(list)
    if not task_ids:
        return found
    for row in connection.execute(_FILES, {_IDS.key: list(task_ids)}).mappings():
        found[row["task_id"]].append(output_of(row))
    return found


def receipts_of(connection: Connection, task_ids: Collection[TaskId]) -> Mapping[TaskId, JsonObject]:
    """Return the receipts there are: one query for a page."""
    return {row.task_id: row.body for row in connection.execute(_RECEIPTS, {_IDS.key: list(task_ids)})}


def tasks_of(connection: Connection, rows: Sequence[Row]) -> list[Task]:
    """Return the tasks of these rows, with their files and receipts; one that waits in the queue has neither."""
    ids = [row["id"] for row in rows if row["status"] != TaskStatus.QUEUE]
    if not ids:
        return [task_of(row) for row in rows]
    files, receipts = files_of(connection, ids), receipts_of(connection, ids)
    bare = [row["id"] for row in rows if row["id"] not in files and TaskStatus(row["status"]) in TERMINAL]
    removed = _removals_of(connection, bare)
    kills = kills_of(connection, [row["id"] for row in rows if row["status"] == TaskStatus.CANCEL.value])
    return [
        task_of(row, files.get(it := row["id"], ()), removed.get(it), receipts.get(it), kills.get(it)) for row in rows
    ]


def _removals_of(connection: Connection, task_ids: Collection[TaskId]) -> Mapping[TaskId, Reason]:
    if not task_ids:
        return {}
    query = select(TASK_REMOVALS.c.task_id, TASK_REMOVALS.c.reason).where(TASK_REMOVALS.c.task_id.in_(task_ids))
    return {row.task_id: Reason(row.reason) for row in connection.execute(query)}
