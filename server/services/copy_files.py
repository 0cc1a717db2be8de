"""Copy files from one store to another: a backup, its restoration, or a move to a bucket."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from server.domain.errors import FilesAway
from server.ports import FileStore

_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class CopiedFiles:
    """How many files were copied, were there already, or are gone from where they were."""

    copied: int
    there: int
    gone: int


def copy_files(keys: Iterable[str], source: FileStore, target: FileStore) -> CopiedFiles:
    """Copy what `target` lacks of these files, each whole or not at all; doing it again goes on where it stopped.

    Files never change under their key, so what is there already is the same. Raises OSError, FilesAway.
    """
    copied = there = gone = 0
    for key in keys:
        if _has(target, key):
            there += 1
        elif _copy(key, source, target):
            copied += 1
        else:
            gone += 1
    return CopiedFiles(copied, there, gone)


def _has(store: FileStore, key: str) -> bool:
    opened = store.open(key)
    if opened is not None:
        opened.close()
    return opened is not None


def _copy(key: str, source: FileStore, target: FileStore) -> bool:
    content = source.open(key)
    if content is None:
        return False
    with content:
        writer = target.begin(key)
        try:
            while chunk := content.read(_CHUNK):
                writer.write(chunk)
            writer.finish()
        except (OSError, FilesAway):
            writer.discard()
            raise
    return True
