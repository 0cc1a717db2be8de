"""Uploads in SQL."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Connection, and_, delete, insert, literal, select

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now
from server.adapters.sql.rows import Row
from server.adapters.sql.tables import FILES, PROJECTS
from server.adapters.sql.upload_tables import DROPPED_FILES, FOLDERS, TASK_INPUTS, UPLOADS
from server.domain.errors import BadRequest, NoSuchFolder, NotAuthorized, Unavailable
from server.domain.files import ROOT, Folder, NewUpload, TaskInput, Upload
from server.domain.types import FolderId, ProjectId, TaskId

_TOO_LATE: Final = "Storing the file took too long. Send it again."


class SqlUploadStore:
    """`UploadStore` over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make_folder(self, project_id: ProjectId, name: str, parent_id: FolderId) -> Folder:
        """See `UploadStore.make_folder`."""
        place = {"project_id": project_id, "parent_id": parent_id, "name": name}
        known = select(FOLDERS).where(*(FOLDERS.c[column] == value for column, value in place.items()))
        new = insert(FOLDERS).values(**place, created_at=Now()).returning(*FOLDERS.c)

        def work(connection: Connection) -> Folder:
            # One at a time per project: of two alike, the second finds the first one's.
            _hold_project(connection, project_id)
            _require_folder(connection, project_id, parent_id)
            row = connection.execute(known).mappings().one_or_none()
            return _folder(row or connection.execute(new).mappings().one())

        return self._database.write(work)

    def expect(self, keys: Collection[str], seconds: float) -> None:
        """See `UploadStore.expect`."""
        rows = [{"key": key} for key in keys]
        statement = insert(DROPPED_FILES).values(due_at=Now() + literal(float(seconds)))
        if rows:
            self._database.write(lambda connection: connection.execute(statement, rows))

    def add(self, project_id: ProjectId, folder_id: FolderId, files: Sequence[NewUpload]) -> Sequence[Upload]:
        """See `UploadStore.add`."""

        def work(connection: Connection) -> Sequence[Upload]:
            _require_folder(connection, project_id, folder_id)
            return insert_uploads(connection, project_id, folder_id, files)

        return self._database.write(work)

    def find_upload(self, access_key: str) -> Upload | None:
        """See `UploadStore.find_upload`."""
        query = select(UPLOADS).where(UPLOADS.c.access_key == access_key)

        def work(connection: Connection) -> Upload | None:
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else Upload(**row)

        return self._database.read(work)

    def inputs_of(self, task_id: TaskId) -> Sequence[TaskInput]:
        """See `UploadStore.inputs_of`."""
        columns = (TASK_INPUTS.c.parameter, TASK_INPUTS.c.url, TASK_INPUTS.c.key)
        query = select(*columns).where(TASK_INPUTS.c.task_id == task_id).order_by(TASK_INPUTS.c.place)
        rows = self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [TaskInput(**row) for row in rows]


def insert_uploads(
    connection: Connection, project_id: ProjectId, folder_id: FolderId, files: Sequence[NewUpload]
) -> Sequence[Upload]:
    """Write the rows of expected files. Raises Unavailable if one is expected no more: its bytes may be gone."""
    if not files:
        return []
    expected = delete(DROPPED_FILES).where(DROPPED_FILES.c.key.in_([file.key for file in files]))
    if connection.execute(expected).rowcount != len(files):
        raise Unavailable(_TOO_LATE)
    return [_insert(connection, project_id, folder_id, file) for file in files]


def link_inputs(connection: Connection, task_id: TaskId, inputs: Sequence[TaskInput]) -> None:
    """Write down which files the task reads. Raises BadRequest for one that is gone."""
    if not inputs:
        return
    keys = {each.key for each in inputs}
    found: set[str] = set()
    for table in (UPLOADS, FILES):
        # Locked against removal until this transaction has ended: whoever removes looks for readers after locking.
        query = select(table.c.key).where(table.c.key.in_(keys)).with_for_update(read=True, key_share=True)
        found.update(connection.execute(query).scalars())
    for each in inputs:
        if each.key not in found:
            raise BadRequest(f"Request files [{each.parameter}] can't be read: it was deleted. Send it again.")
    rows: list[dict[str, Any]] = [
        {"task_id": task_id, "place": place, "parameter": each.parameter, "url": each.url, "key": each.key}
        for place, each in enumerate(inputs)
    ]
    connection.execute(insert(TASK_INPUTS), rows)


def _insert(connection: Connection, project_id: ProjectId, folder_id: FolderId, file: NewUpload) -> Upload:
    values: dict[str, Any] = {
        "project_id": project_id,
        "folder_id": folder_id,
        "name": file.name,
        "content_type": file.content_type,
        "size": file.size,
        "sha256": file.sha256,
        "access_key": file.access_key,
        "key": file.key,
        "created_at": Now(),
    }
    return Upload(**connection.execute(insert(UPLOADS).values(values).returning(*UPLOADS.c)).mappings().one())


def _folder(row: Row) -> Folder:
    return Folder(id=row["id"], name=row["name"], parent_id=row["parent_id"], created_at=row["created_at"])


def _hold_project(connection: Connection, project_id: ProjectId) -> None:
    query = select(PROJECTS.c.id).where(PROJECTS.c.id == project_id).with_for_update(key_share=True)
    if connection.execute(query).first() is None:
        raise NotAuthorized


def _require_folder(connection: Connection, project_id: ProjectId, folder_id: FolderId) -> None:
    owned = and_(FOLDERS.c.id == folder_id, FOLDERS.c.project_id == project_id)
    if folder_id != ROOT and connection.execute(select(FOLDERS.c.id).where(owned)).first() is None:
        raise NoSuchFolder
