"""easel's own folder of models: what is pulled gathers in `.pulling`; the registry and the lock are written whole."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from models.lock import LOCK, Locked, LockError, lock_text, parse_lock
from models.registry import REGISTRY, Adopted, read_registry, write_registry
from server.ports.pulling import PullFailed

_ASIDE: Final = ".pulling"
_CHUNK: Final = 1 << 20


class LocalModelStore:
    """Implements `ModelStore`, and keeps the registry. Two processes may write at once."""

    def __init__(self, folder: Path, free: Callable[[Path], int] | None = None) -> None:
        self._folder = folder
        self._free = free or _free_bytes

    def free(self) -> int:
        """Return how many bytes there is room for."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._free(self._folder)

    def adopt(self, name: str, adopted: Adopted) -> None:
        """Put weights into the registry, in place of others of that name. Raises RegistryError."""
        with self._alone():
            self._write(REGISTRY, write_registry({**read_registry(self._folder), name: adopted}))

    def forget(self, name: str) -> bool:
        """Take weights out of the registry; False where they weren't in it. Raises RegistryError."""
        with self._alone():
            kept = {known: adopted for known, adopted in read_registry(self._folder).items() if known != name}
            if len(kept) == len(read_registry(self._folder)):
                return False
            self._write(REGISTRY, write_registry(kept))
        return True

    def locked(self) -> Mapping[str, Locked]:
        """Return what is locked. Raises PullFailed."""
        try:
            return parse_lock((self._folder / LOCK).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (LockError, OSError, UnicodeDecodeError) as error:
            raise PullFailed(f"{self._folder / LOCK} {error}; mend it, or pull into another EASEL_DATA_DIR.") from None

    def lock(self, files: Mapping[str, Locked]) -> None:
        """Add to the lock."""
        with self._alone():
            self._write(LOCK, lock_text({**self.locked(), **files}))

    def arrived(self, path: str) -> int:
        """Return how many bytes of a file are there, aside."""
        try:
            return self.aside(path).stat().st_size
        except OSError:
            return 0

    def append(self, path: str, start: int, chunks: Iterator[bytes]) -> None:
        """Cut what is there of a file to `start` bytes and add to it, durably. Raises OSError (disk full)."""
        file = self.aside(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("r+b" if file.exists() else "wb") as opened:
            opened.truncate(start)
            opened.seek(start)
            try:
                for chunk in chunks:
                    opened.write(chunk)
            finally:
                opened.flush()
                os.fsync(opened.fileno())

    def sha256(self, path: str) -> str:
        """Return the hash of what has arrived."""
        return sha256_of(self.aside(path))

    def discard(self, path: str) -> None:
        """Remove what has arrived."""
        self.aside(path).unlink(missing_ok=True)

    def aside(self, name: str) -> Path:
        """Return where a file or folder gathers."""
        return self._folder / _ASIDE / name

    def path(self, target: str) -> Path:
        """Return a place in the folder."""
        return self._folder / target

    def place(self, gathered: Path, target: str) -> None:
        """Give what has gathered its place."""
        self.path(target).parent.mkdir(parents=True, exist_ok=True)
        gathered.rename(self.path(target))
        _sync_folder(self.path(target).parent)

    def _write(self, name: str, text: str) -> None:
        aside = self._folder / f"{name}.tmp"
        with aside.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        aside.rename(self._folder / name)
        _sync_folder(self._folder)

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Keep other processes from changing the registry or the lock meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".writing").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def sha256_of(file: Path) -> str:
    """Return a file's hash. Raises OSError."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
