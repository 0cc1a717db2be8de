"""What the use cases need of the world around files that clients send, and of files that go."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from server.domain.files import Folder, NewUpload, Removed, TaskInput, Upload
from server.domain.types import FolderId, ProjectId, TaskId


class FileWriter(Protocol):
    """A file on its way into a `FileStore`. Exactly one of `finish` and `discard` ends it.

    All raise OSError, and all but `discard` FilesAway.
    """

    def write(self, chunk: bytes) -> None:
        """Append."""
        ...

    def finish(self) -> None:
        """Make the file durable and let it appear under its key."""
        ...

    def discard(self) -> None:
        """Leave nothing behind."""
        ...


class FileStore(Protocol):
    """Where files lie. A written file is durable before `write`, or its writer's `finish`, returns.

    Verbs raise OSError for what this machine refuses, and FilesAway where files lie elsewhere and can't be reached now:
    nothing is lost by it, and the same call may succeed later. Reading an open file may raise either.
    """

    def write(self, key: str, content: bytes) -> None:
        """Store `content` under `key` (slash-separated, safe characters); all or nothing."""
        ...

    def begin(self, key: str) -> FileWriter:
        """Begin a file that is too large for `write`; nothing is there under `key` before its writer finishes."""
        ...

    def open(self, key: str) -> IO[bytes] | None:
        """Open the file for reading (it can be seeked), or return None if it is gone."""
        ...

    def delete(self, key: str) -> None:
        """Remove the file; a missing one is no error."""
        ...

    def unchanged(self, prefix: str, seconds: float) -> Iterator[str]:
        """Yield the keys that begin with `prefix` and a slash, of files written longer ago than `seconds`."""
        ...

    def collect(self, seconds: float) -> int:
        """Remove what writers left that died longer ago than `seconds`; return how many there were."""
        ...


class UploadStore(Protocol):
    """Folders and uploads, and which of them tasks read. Every verb raises `Unavailable` when the database is away."""

    def make_folder(self, project_id: ProjectId, name: str, parent_id: FolderId) -> Folder:
        """Return the folder of that name in that place, made if it wasn't there. Raises NoSuchFolder for the parent."""
        ...

    def expect(self, keys: Collection[str], seconds: float) -> None:
        """Say which files are about to be written: unless rows name them within `seconds`, they become erasable."""
        ...

    def add(self, project_id: ProjectId, folder_id: FolderId, files: Sequence[NewUpload]) -> Sequence[Upload]:
        """Write the rows of expected files, all or none. Raises NoSuchFolder, or Unavailable if it took too long."""
        ...

    def find_upload(self, access_key: str) -> Upload | None:
        """Return the upload of that access key."""
        ...

    def inputs_of(self, task_id: TaskId) -> Sequence[TaskInput]:
        """Return the files of this server that the task reads, in the order they were given."""
        ...


class FileKeeper(Protocol):
    """Letting go of files: rows first, in one transaction with the keys to erase; bytes afterwards, by anybody.

    A key is erasable once no row names it and no unfinished task reads it.
    """

    def forget(self, task_id: TaskId) -> bool:
        """Remove a terminal task's outputs, and its uploaded inputs as far as no other task reads them.

        Returns False, and changes nothing, where the task is not terminal. Doing it again changes nothing.
        """
        ...

    def remove_older(self, seconds: float, limit: int = 100) -> Sequence[Removed]:
        """Remove outputs of tasks that ended, and uploads that came, longer ago than `seconds`; oldest first.

        At most `limit` of each. What an unfinished task reads stays.
        """
        ...

    def remove_above(self, quota: int, limit: int = 100) -> Sequence[Removed]:
        """Remove the oldest outputs of terminal tasks, and uploads, until all files have at most `quota` bytes.

        At most `limit`. What an unfinished task reads stays.
        """
        ...

    def erasable(self, limit: int = 100) -> Sequence[str]:
        """Return keys of files whose bytes may be erased."""
        ...

    def erased(self, keys: Collection[str]) -> None:
        """Forget these keys: their bytes are gone."""
        ...

    def orphans(self, keys: Collection[str]) -> Sequence[str]:
        """Return those keys of outputs that no row names, or ever will: their task is here, and nobody draws it.

        What a running task's worker has written may still get its row, however long the database was away. What
        belongs to no task of this database is somebody else's, or from after the backup it was restored from.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file that was downloaded: its bytes after decoding, the type its server claims, where it came from."""

    size: int
    content_type: str
    url: str


class Downloads(Protocol):
    """Fetches files from URLs that clients give, through the guard."""

    def fetch(self, url: str, limit_bytes: int, into: IO[bytes]) -> Fetched:
        """Write the file at `url` into `into`, following up to three redirects, each checked like the first.

        Raises Refused for an address or a size that is not allowed, NoAnswer with the reason for anything else.
        """
        ...
