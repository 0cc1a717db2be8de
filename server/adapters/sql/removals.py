"""Letting go of files in SQL: each removal is one transaction that leaves the keys of what is to be erased."""

from collections.abc import Collection, Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, delete, func, insert, literal, select

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now, is_one_of
from server.adapters.sql.tables import FILES, TASKS, time_column
from server.adapters.sql.upload_tables import DROPPED_FILES, TASK_INPUTS, TASK_REMOVALS, UPLOADS
from server.domain.files import Reason, Removed, task_uuid_of
from server.domain.lifecycle import RUNNING, TERMINAL, TaskStatus
from server.domain.types import FileId, TaskId

_TERMINAL: Final = is_one_of(TASKS.c.status, TERMINAL)
_READERS: Final = TASKS.alias("readers")
_OUTPUTS: Final = FILES.alias("outputs")
_UNFINISHED_READER: Final = is_one_of(_READERS.c.status, frozenset(TaskStatus) - TERMINAL)
_ENDED: Final = func.coalesce(TASKS.c[time_column(TaskStatus.POSTPROCESS_END)], TASKS.c[time_column(TaskStatus.CANCEL)])

_Candidate: TypeAlias = "tuple[float, int, TaskId | None, FileId | None]"
"""When it came to be, its bytes, and which task's outputs or which upload it is."""


class SqlFileKeeper:
    """`FileKeeper` over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def forget(self, task_id: TaskId) -> bool:
        """See `FileKeeper.forget`."""

        def work(connection: Connection) -> bool:
            if not _hold_tasks(connection, [task_id]):
                return False
            _remove_outputs(connection, task_id, Reason.CALLER)
            _remove_inputs(connection, task_id)
            return True

        return self._database.write(work)

    def remove_older(self, seconds: float, limit: int = 100) -> Sequence[Removed]:
        """See `FileKeeper.remove_older`."""
        before = Now() - literal(float(seconds))
        # The pictures' own time first: it has an index, and no task ends before its pictures are there.
        outputs = select(FILES.c.task_id).join(TASKS, TASKS.c.id == FILES.c.task_id)
        outputs = outputs.where(FILES.c.created_at <= before, _TERMINAL, before >= _ENDED, ~_has_read_outputs())
        outputs = outputs.group_by(FILES.c.task_id).order_by(func.min(FILES.c.created_at)).limit(limit)
        uploads = select(UPLOADS.c.id).where(UPLOADS.c.created_at <= before, ~_is_read(UPLOADS.c.key))
        uploads = uploads.order_by(UPLOADS.c.created_at, UPLOADS.c.id).limit(limit)

        def work(connection: Connection) -> Sequence[Removed]:
            tasks = list(connection.execute(outputs).scalars())
            return _remove(connection, tasks, list(connection.execute(uploads).scalars()), Reason.AGE)

        return self._database.write(work)

    def remove_above(self, quota: int, limit: int = 100) -> Sequence[Removed]:
        """See `FileKeeper.remove_above`."""

        def work(connection: Connection) -> Sequence[Removed]:
            above = _used(connection) - quota
            tasks: list[TaskId] = []
            uploads: list[FileId] = []
            for _, size, task_id, upload_id in _oldest(connection, limit) if above > 0 else ():
                if above <= 0:
                    break
                above -= size
                if task_id is not None:
                    tasks.append(task_id)
                if upload_id is not None:
                    uploads.append(upload_id)
            return _remove(connection, tasks, uploads, Reason.QUOTA)

        return self._database.write(work)

    def erasable(self, limit: int = 100) -> Sequence[str]:
        """See `FileKeeper.erasable`."""
        due = select(DROPPED_FILES.c.key).where(DROPPED_FILES.c.due_at <= Now(), ~_is_read(DROPPED_FILES.c.key))
        query = due.order_by(DROPPED_FILES.c.due_at).limit(limit)
        return self._database.read(lambda connection: connection.execute(query).scalars().all())

    def erased(self, keys: Collection[str]) -> None:
        """See `FileKeeper.erased`."""
        gone = delete(DROPPED_FILES).where(DROPPED_FILES.c.key.in_(keys), DROPPED_FILES.c.due_at <= Now())
        self._database.write(lambda connection: connection.execute(gone))

    def orphans(self, keys: Collection[str]) -> Sequence[str]:
        """See `FileKeeper.orphans`."""
        wanted = {key: uuid for key in keys if (uuid := task_uuid_of(key)) is not None}
        if not wanted:
            return []

        def work(connection: Connection) -> Sequence[str]:
            # One snapshot: whoever may still write a row is seen running, or his row is seen.
            named: set[str] = set()
            for table in (FILES, DROPPED_FILES):
                query = select(table.c.key).where(table.c.key.in_(wanted))
                named.update(connection.execute(query).scalars())
            left = {key: uuid for key, uuid in wanted.items() if key not in named}
            # No index has the uuid: it would cost every write something, and orphans are few.
            idle = select(TASKS.c.uuid).where(TASKS.c.uuid.in_(set(left.values())), ~is_one_of(TASKS.c.status, RUNNING))
            known = set(connection.execute(idle).scalars()) if left else set[str]()
            return [key for key, uuid in left.items() if uuid in known]

        return self._database.read(work)


def drop_outputs(connection: Connection, task_id: TaskId) -> int:
    """Forget the task's pictures and leave their keys to be erased; return how many there were."""
    keys = select(FILES.c.key, Now()).where(FILES.c.task_id == task_id)
    connection.execute(insert(DROPPED_FILES).from_select(["key", "due_at"], keys))
    return connection.execute(delete(FILES).where(FILES.c.task_id == task_id)).rowcount


def _remove(
    connection: Connection, tasks: Sequence[TaskId], uploads: Sequence[FileId], reason: Reason
) -> Sequence[Removed]:
    taken = [_remove_outputs(connection, task_id, reason) for task_id in _hold_tasks(connection, tasks)]
    taken += [_remove_upload(connection, upload_id) for upload_id in uploads]
    return [removed for removed in taken if removed.files]


def _hold_tasks(connection: Connection, task_ids: Sequence[TaskId]) -> Sequence[TaskId]:
    """Lock those of the tasks that are terminal, in one order for everybody."""
    query = select(TASKS.c.id).where(TASKS.c.id.in_(task_ids), _TERMINAL).order_by(TASKS.c.id).with_for_update()
    held = set(connection.execute(query).scalars())
    return [task_id for task_id in task_ids if task_id in held]


def _remove_outputs(connection: Connection, task_id: TaskId, reason: Reason) -> Removed:
    size = connection.execute(select(func.sum(FILES.c.size)).where(FILES.c.task_id == task_id)).scalar_one()
    files = drop_outputs(connection, task_id)
    known = select(TASK_REMOVALS.c.task_id).where(TASK_REMOVALS.c.task_id == task_id)
    if (files or reason is Reason.CALLER) and connection.execute(known).first() is None:
        connection.execute(insert(TASK_REMOVALS).values(task_id=task_id, reason=reason.value, removed_at=Now()))
    return Removed(task_id, files, int(size or 0))


def _remove_inputs(connection: Connection, task_id: TaskId) -> None:
    mine = select(TASK_INPUTS.c.key).where(TASK_INPUTS.c.task_id == task_id)
    keys = set(connection.execute(mine).scalars())
    project = select(TASKS.c.project_id).where(TASKS.c.id == task_id).scalar_subquery()
    own = select(UPLOADS.c.id).where(UPLOADS.c.key.in_(keys), UPLOADS.c.project_id == project).order_by(UPLOADS.c.id)
    uploads = connection.execute(own).scalars().all()
    connection.execute(delete(TASK_INPUTS).where(TASK_INPUTS.c.task_id == task_id))
    for upload_id in uploads:
        _remove_upload(connection, upload_id, even_of_finished=False)


def _remove_upload(connection: Connection, upload_id: FileId, *, even_of_finished: bool = True) -> Removed:
    """Remove an upload unless a task reads it: an unfinished one, or any."""
    query = select(UPLOADS.c.key, UPLOADS.c.size).where(UPLOADS.c.id == upload_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        return Removed(None, 0, 0)
    # Only now that the row is locked: a Run that is linking it either has committed or will find it gone.
    readers = select(TASK_INPUTS.c.task_id).join(_READERS, _READERS.c.id == TASK_INPUTS.c.task_id)
    readers = readers.where(TASK_INPUTS.c.key == row.key, *((_UNFINISHED_READER,) if even_of_finished else ()))
    if connection.execute(readers.limit(1)).first() is not None:
        return Removed(None, 0, 0)
    connection.execute(delete(UPLOADS).where(UPLOADS.c.id == upload_id))
    connection.execute(insert(DROPPED_FILES).values(key=row.key, due_at=Now()))
    return Removed(None, 1, row.size)


def _used(connection: Connection) -> int:
    sums = [select(func.coalesce(func.sum(table.c.size), 0)).scalar_subquery() for table in (FILES, UPLOADS)]
    return int(connection.execute(select(sums[0] + sums[1])).scalar_one())


def _oldest(connection: Connection, limit: int) -> Sequence[_Candidate]:
    """Return the oldest of what may go: whole tasks' outputs and single uploads."""
    ended = func.min(_ENDED).label("at")
    outputs = select(ended, func.sum(FILES.c.size), FILES.c.task_id).join(TASKS, TASKS.c.id == FILES.c.task_id)
    outputs = outputs.where(_TERMINAL, ~_has_read_outputs()).group_by(FILES.c.task_id).order_by(ended).limit(limit)
    uploads = select(UPLOADS.c.created_at, UPLOADS.c.size, UPLOADS.c.id).where(~_is_read(UPLOADS.c.key))
    uploads = uploads.order_by(UPLOADS.c.created_at).limit(limit)
    found: list[Any] = [(at, int(size), task_id, None) for at, size, task_id in connection.execute(outputs)]
    found += [(at, size, None, upload_id) for at, size, upload_id in connection.execute(uploads)]
    return sorted(found, key=lambda candidate: candidate[0])[:limit]


def _is_read(key: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether an unfinished task reads the file of this key."""
    readers = select(TASK_INPUTS.c.task_id).join(_READERS, _READERS.c.id == TASK_INPUTS.c.task_id)
    return readers.where(TASK_INPUTS.c.key == key, _UNFINISHED_READER).exists()


def _has_read_outputs() -> ColumnElement[bool]:
    """Whether an unfinished task reads one of the task's outputs."""
    inputs = TASK_INPUTS.join(_READERS, _READERS.c.id == TASK_INPUTS.c.task_id)
    read = select(_OUTPUTS.c.task_id).join(inputs, TASK_INPUTS.c.key == _OUTPUTS.c.key).where(_UNFINISHED_READER)
    return TASKS.c.id.in_(read)
