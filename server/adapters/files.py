"""Files in a local folder."""

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from server.domain.files import is_key
from server.ports.files import FileWriter

_ASIDE: Final = re.compile(r".+\.[0-9a-f]{8}\.tmp")
_TRIES: Final = 5


class LocalFiles:
    """Implements `FileStore`: a file appears whole and durable under its name, or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, key: str, content: bytes) -> None:
        """Write aside, fsync, rename, fsync the folder. Raises OSError (disk full, no permission)."""
        writer = self.begin(key)
        try:
            writer.write(content)
            writer.finish()
        except OSError:
            writer.discard()
            raise

    def begin(self, key: str) -> FileWriter:
        """Begin a file aside. Raises OSError."""
        return _Aside(self._path(key))

    def open(self, key: str) -> IO[bytes] | None:
        """Open for reading."""
        try:
            return self._path(key).open("rb")
        except FileNotFoundError:
            return None

    def delete(self, key: str) -> None:
        """Remove the file and, if it was the last one there, its folder."""
        path = self._path(key)
        path.unlink(missing_ok=True)
        try:
            path.parent.rmdir()
        except OSError:
            return

    def unchanged(self, prefix: str, seconds: float) -> Iterator[str]:
        """Walk the folder of the prefix, by the time files were last written to."""
        before = time.time() - seconds
        for entry in _files_below(self._path(prefix)):
            key = entry.path.removeprefix(f"{self._root}/")  # a Path would intern every part of every name
            with contextlib.suppress(FileNotFoundError):  # it has just been deleted
                if entry.stat().st_mtime < before and is_key(key) and not _ASIDE.fullmatch(entry.name):
                    yield key

    def collect(self, seconds: float) -> int:
        """Remove files left aside, by the time they were last written to."""
        before = time.time() - seconds
        found = 0
        for entry in _files_below(self._root):
            with contextlib.suppress(FileNotFoundError):  # its writer has just finished
                if _ASIDE.fullmatch(entry.name) and entry.stat().st_mtime < before:
                    os.unlink(entry.path)  # noqa: PTH108 see above
                    found += 1
        return found

    def _path(self, key: str) -> Path:
        if not is_key(key):
            raise ValueError(f"not a file key: {key!r}")
        return self._root / key


def _files_below(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """Yield what lies below, one by one: `os.walk` and `rglob` list a folder first, which may hold a million."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(entry.path)
            else:
                yield entry


class _Aside:
    """Implements `FileWriter`: a file beside its place, moved there when it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
        self._file = self._create()

    def write(self, chunk: bytes) -> None:
        """Append."""
        self._file.write(chunk)

    def finish(self) -> None:
        """Fsync the file, rename it, fsync the folder."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._aside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Close and remove what was written."""
        with contextlib.suppress(OSError):  # a full disk refuses what is left in the buffer once more
            self._file.close()
        self._aside.unlink(missing_ok=True)

    def _create(self) -> IO[bytes]:
        for _ in range(_TRIES - 1):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                return self._aside.open("xb")
            except FileNotFoundError:
                continue  # somebody deleted the folder's last file, and the folder with it
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._aside.open("xb")
