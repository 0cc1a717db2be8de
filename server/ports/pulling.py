"""What pulling weights needs of the world: something to read from, and a folder of models to write to."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.lock import Locked


class PullFailed(Exception):
    """A pull can't go on; the message is one plain sentence. What has arrived soundly stays."""


class Interrupted(Exception):
    """A transfer broke off, or the other side has no time now; trying again may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file elsewhere. `size` and `sha256` are None where nobody says them."""

    name: str
    url: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository on the hub as it is now. `licence` is "" where it doesn't say."""

    files: Sequence[RemoteFile]
    licence: str = ""


class Remote(Protocol):
    """The hub, and whatever else answers HTTP."""

    def repository(self, hub_id: str) -> Repository:
        """Return what a repository holds. Raises PullFailed or Interrupted."""
        ...

    def file(self, url: str) -> RemoteFile:
        """Return what is told of a file before it is read. Raises PullFailed or Interrupted."""
        ...

    def read(self, file: RemoteFile, start: int) -> AbstractContextManager["Transfer"]:
        """Begin to read at a byte. Raises PullFailed or Interrupted, while reading too."""
        ...


class Transfer(Protocol):
    """Bytes on their way. `start` is 0 where the other side can't begin in the middle."""

    @property
    def start(self) -> int:
        """The place of the first byte that comes."""
        ...

    def __iter__(self) -> Iterator[bytes]:
        """Give what comes. Raises Interrupted."""
        ...


class ModelStore(Protocol):
    """A folder of models that easel writes to. Files gather aside, and get their names when all are whole."""

    def free(self) -> int:
        """Return how many bytes there is room for."""
        ...

    def locked(self) -> Mapping[str, Locked]:
        """Return what is locked, by path below the folder. Raises PullFailed."""
        ...

    def lock(self, files: Mapping[str, Locked]) -> None:
        """Add to the lock."""
        ...

    def arrived(self, path: str) -> int:
        """Return how many bytes of a file are there, aside."""
        ...

    def append(self, path: str, start: int, chunks: Iterator[bytes]) -> None:
        """Cut what is there of a file to `start` bytes and add to it. Raises OSError (disk full)."""
        ...

    def sha256(self, path: str) -> str:
        """Return the hash of what has arrived."""
        ...

    def discard(self, path: str) -> None:
        """Remove what has arrived."""
        ...

    def aside(self, name: str) -> Path:
        """Return where a file or folder gathers."""
        ...

    def path(self, target: str) -> Path:
        """Return a place in the folder."""
        ...

    def place(self, gathered: Path, target: str) -> None:
        """Give what has gathered its place."""
        ...
