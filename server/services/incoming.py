"""A file on its way in: written aside as it comes, counted, and judged by its own bytes."""

import hashlib
import secrets

from server.domain.content_types import HEAD, content_type_of
from server.domain.files import NewUpload
from server.ports import FileStore
from server.ports.files import FileWriter


class Incoming:
    """One file part of a request. `write`, `finish` and `erase` do I/O and raise OSError.

    `parameter` is the part's name, `name` the file's own; nothing of either becomes part of a path.
    """

    def __init__(self, files: FileStore, parameter: str, name: str) -> None:
        secret = secrets.token_urlsafe(24)
        self.parameter = parameter
        self.name = name
        self.size = 0
        self._access_key = secret
        # Spread over folders, which stay small; not by the access key, so that a listing opens nothing.
        self._key = f"uploads/{secrets.token_hex(1)}/{secrets.token_hex(16)}"
        self._files = files
        self._writer: FileWriter | None = None
        self._finished = False
        self._digest = hashlib.sha256()
        self._head = b""

    @property
    def content_type(self) -> str:
        """What the file is."""
        return content_type_of(self.name, self._head)

    @property
    def upload(self) -> NewUpload:
        """What the store keeps about the file."""
        return NewUpload(
            name=self.name,
            content_type=self.content_type,
            size=self.size,
            sha256=self._digest.hexdigest(),
            access_key=self._access_key,
            key=self._key,
        )

    def write(self, chunk: bytes) -> None:
        """Append."""
        self._open().write(chunk)
        self._digest.update(chunk)
        self._head += chunk[: HEAD - len(self._head)]
        self.size += len(chunk)

    def finish(self) -> None:
        """Make the file durable."""
        self._open().finish()
        self._finished = True

    def discard(self) -> None:
        """Leave nothing of a file that is not finished."""
        if self._writer is not None and not self._finished:
            self._writer.discard()
            self._writer = None

    def erase(self) -> None:
        """Leave nothing, finished or not."""
        self.discard()
        if self._finished:
            self._files.delete(self._key)

    def _open(self) -> FileWriter:
        if self._writer is None:
            self._writer = self._files.begin(self._key)
        return self._writer
