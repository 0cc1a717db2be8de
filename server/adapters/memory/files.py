"""Uploads, and letting go of files, in memory."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, replace
from itertools import count
from threading import Lock

from server.adapters.memory.queue import MemoryQueue
from server.adapters.memory.row import MemoryRow
from server.domain.errors import BadRequest, NoSuchFolder, Unavailable
from server.domain.files import ROOT, Folder, NewUpload, Reason, Removed, TaskInput, Upload, task_uuid_of
from server.domain.lifecycle import RUNNING
from server.domain.quota import Quota
from server.domain.task import NewTask, Task
from server.domain.types import FileId, FolderId, ProjectId, TaskId


class MemoryFiles(MemoryQueue):
    """The part of `MemoryStores` that knows of uploads, inputs and removals: `UploadStore` and `FileKeeper`."""

    def __init__(self, now: Callable[[], float], lock: Lock, quota: Quota) -> None:
        super().__init__(now, lock, quota)
        self._folders: dict[FolderId, tuple[ProjectId, Folder]] = {}
        self._uploads: dict[str, Upload] = {}
        self._inputs: dict[TaskId, tuple[TaskInput, ...]] = {}
        self._dropped: dict[str, float] = {}
        self._folder_ids, self._upload_ids = count(1), count(1)

    # ── UploadStore ──────────────────────────────────────────────────────────────────────────────────────────────────
    def make_folder(self, project_id: ProjectId, name: str, parent_id: FolderId) -> Folder:
        """See `UploadStore.make_folder`."""
        with self._lock:
            self._require_folder(project_id, parent_id)
            for owner, folder in self._folders.values():
                if (owner, folder.name, folder.parent_id) == (project_id, name, parent_id):
                    return folder
            new = Folder(id=FolderId(next(self._folder_ids)), name=name, parent_id=parent_id, created_at=self._now())
            self._folders[new.id] = (project_id, new)
            return new

    def expect(self, keys: Collection[str], seconds: float) -> None:
        """See `UploadStore.expect`."""
        with self._lock:
            self._dropped |= dict.fromkeys(keys, self._now() + seconds)

    def add(self, project_id: ProjectId, folder_id: FolderId, files: Sequence[NewUpload]) -> Sequence[Upload]:
        """See `UploadStore.add`."""
        with self._lock:
            self._require_folder(project_id, folder_id)
            return self._add(project_id, folder_id, files)

    def find_upload(self, access_key: str) -> Upload | None:
        """See `UploadStore.find_upload`."""
        with self._lock:
            return next((upload for upload in self._uploads.values() if upload.access_key == access_key), None)

    def inputs_of(self, task_id: TaskId) -> Sequence[TaskInput]:
        """See `UploadStore.inputs_of`."""
        with self._lock:
            return self._inputs.get(task_id, ())

    # ── FileKeeper ───────────────────────────────────────────────────────────────────────────────────────────────────
    def forget(self, task_id: TaskId) -> bool:
        """See `FileKeeper.forget`."""
        with self._lock:
            row = self._rows.get(task_id)
            if row is None or not row.task.terminal:
                return False
            self._remove_outputs(row, Reason.CALLER)
            project_id = row.task.project_id
            for each in self._inputs.pop(task_id, ()):
                upload = self._uploads.get(each.key)
                used = any(other.key == each.key for inputs in self._inputs.values() for other in inputs)
                if upload is not None and upload.project_id == project_id and not used:
                    self._remove_upload(upload)
            return True

    def remove_older(self, seconds: float, limit: int = 100) -> Sequence[Removed]:
        """See `FileKeeper.remove_older`."""
        with self._lock:
            before = self._now() - seconds
            rows = [row for at, row in self._removable_rows() if at <= before][:limit]
            uploads = [upload for upload in self._removable_uploads() if upload.created_at <= before][:limit]
            taken = [self._remove_outputs(row, Reason.AGE) for row in rows]
            return [*taken, *(self._remove_upload(upload) for upload in uploads)]

    def remove_above(self, quota: int, limit: int = 100) -> Sequence[Removed]:
        """See `FileKeeper.remove_above`."""
        with self._lock:
            pictures = sum(file.size for row in self._rows.values() for file in row.task.files)
            above = pictures + sum(upload.size for upload in self._uploads.values()) - quota
            candidates: list[tuple[float, MemoryRow | Upload]] = list(self._removable_rows())
            candidates += [(upload.created_at, upload) for upload in self._removable_uploads()]
            taken: list[Removed] = []
            for _, found in sorted(candidates, key=lambda candidate: candidate[0])[:limit]:
                if above <= 0:
                    break
                upload = isinstance(found, Upload)
                taken.append(self._remove_upload(found) if upload else self._remove_outputs(found, Reason.QUOTA))
                above -= taken[-1].size
            return taken

    def erasable(self, limit: int = 100) -> Sequence[str]:
        """See `FileKeeper.erasable`."""
        with self._lock:
            due = [key for key, at in self._dropped.items() if at <= self._now() and not self._is_read(key)]
            return due[:limit]

    def erased(self, keys: Collection[str]) -> None:
        """See `FileKeeper.erased`."""
        with self._lock:
            for key in keys:
                if self._dropped.get(key, self._now() + 1) <= self._now():
                    del self._dropped[key]

    def orphans(self, keys: Collection[str]) -> Sequence[str]:
        """See `FileKeeper.orphans`."""
        with self._lock:
            named = {file.key for row in self._rows.values() for file in row.task.files}.union(self._dropped)
            idle = {row.task.uuid for row in self._rows.values() if row.task.status not in RUNNING}
            return [key for key in keys if key not in named and task_uuid_of(key) in idle]

    # ── under the lock ───────────────────────────────────────────────────────────────────────────────────────────────
    def _attach(self, task: Task, new: NewTask) -> None:
        """Write a new task's uploads and inputs. Raises BadRequest for an input that is gone."""
        outputs = {file.key for row in self._rows.values() for file in row.task.files}
        known = outputs.union(self._uploads, (upload.key for upload in new.uploads))
        for each in new.inputs:
            if each.key not in known:
                raise BadRequest(f"Request files [{each.parameter}] can't be read: it was deleted. Send it again.")
        self._add(new.project_id, ROOT, new.uploads)
        self._inputs[task.id] = new.inputs

    def _add(self, project_id: ProjectId, folder_id: FolderId, files: Sequence[NewUpload]) -> Sequence[Upload]:
        if not all(file.key in self._dropped for file in files):
            raise Unavailable("Storing the file took too long. Send it again.")
        added = [
            Upload(
                **asdict(file),
                id=FileId(next(self._upload_ids)),
                project_id=project_id,
                folder_id=folder_id,
                created_at=self._now(),
            )
            for file in files
        ]
        self._uploads |= {upload.key: upload for upload in added}
        for file in files:
            del self._dropped[file.key]
        return added

    def _require_folder(self, project_id: ProjectId, folder_id: FolderId) -> None:
        if folder_id != ROOT and self._folders.get(folder_id, (None,))[0] != project_id:
            raise NoSuchFolder

    def _drop(self, *keys: str) -> None:
        self._dropped |= dict.fromkeys(keys, self._now())

    def _remove_outputs(self, row: MemoryRow, reason: Reason) -> Removed:
        files = row.task.files
        self._drop(*(file.key for file in files))
        row.task = replace(row.task, files=(), removed=row.task.removed or reason)
        return Removed(row.task.id, len(files), sum(file.size for file in files))

    def _remove_upload(self, upload: Upload) -> Removed:
        del self._uploads[upload.key]
        self._drop(upload.key)
        return Removed(None, 1, upload.size)

    def _removable_rows(self) -> Iterable[tuple[float, MemoryRow]]:
        found = [
            (row.task.times[row.task.status], row)
            for row in self._rows.values()
            if row.task.terminal and row.task.files and not any(self._is_read(file.key) for file in row.task.files)
        ]
        return sorted(found, key=lambda each: each[0])

    def _removable_uploads(self) -> Sequence[Upload]:
        free = [upload for upload in self._uploads.values() if not self._is_read(upload.key)]
        return sorted(free, key=lambda upload: upload.created_at)

    def _is_read(self, key: str) -> bool:
        readers = (task_id for task_id, inputs in self._inputs.items() if any(each.key == key for each in inputs))
        return any(not self._rows[task_id].task.terminal for task_id in readers)
