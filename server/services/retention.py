"""Let go of files: by age and by quota, if the operator says so; and of bytes that no row names any more."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from server.domain.errors import FilesAway
from server.domain.files import Removed
from server.ports import FileStore
from server.ports.files import FileKeeper

_log = logging.getLogger(__name__)

_DAY: Final = 86_400.0
_ASIDE_SECONDS: Final = _DAY
"""A writer that has not written for so long is dead."""
_BATCH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long files are kept, in days, and how many bytes they may have together; None is no limit."""

    days: float | None = None
    quota: int | None = None


def sweep(keeper: FileKeeper, files: FileStore, retention: Retention) -> None:
    """Remove what is too old or too much, oldest first, then erase. Any process may do it at any time."""
    if retention.days is not None:
        why = f"older than {retention.days:g} days (EASEL_KEEP_DAYS)"
        while _told(keeper.remove_older(retention.days * _DAY, _BATCH), why):
            pass
    if retention.quota is not None:
        why = f"all files together had more than {retention.quota / 1e9:g} GB (EASEL_QUOTA_GB)"
        while _told(keeper.remove_above(retention.quota, _BATCH), why):
            pass
    erase(keeper, files)


def collect_orphans(keeper: FileKeeper, files: FileStore, seconds: float) -> int:
    """Erase pictures older than `seconds` that no row names, or ever will; return how many.

    They are what a worker leaves that is killed between writing a picture and recording it.
    """
    found = 0
    old = files.unchanged("outputs", seconds)
    while keys := list(islice(old, _BATCH)):
        for key in keeper.orphans(keys):
            try:
                files.delete(key)
            except OSError as error:
                _log.warning("%s could not be erased: %s", key, error)
            else:
                found += 1
    if found:
        _log.info("%d picture(s) that no task has were removed", found)
    return found


def collect_unfinished(files: FileStore) -> int:
    """Erase what writers left that died; return how many there were. Reads the names of all files there are."""
    left = files.collect(_ASIDE_SECONDS)
    if left:
        _log.info("%d file(s) that were never finished were removed", left)
    return left


def erase(keeper: FileKeeper, files: FileStore) -> None:
    """Erase bytes whose rows are gone. What can't be erased now is tried again at the next sweep."""
    while keys := keeper.erasable(_BATCH):
        gone: list[str] = []
        for key in keys:
            try:
                files.delete(key)
            except OSError as error:
                _log.warning("%s could not be erased: %s", key, error)
            except FilesAway as away:
                _log.warning("erasing files waits: %s", away)
                break
            else:
                gone.append(key)
        keeper.erased(gone)
        if len(gone) < len(keys):
            return


def _told(taken: Sequence[Removed], why: str) -> bool:
    for removed in taken:
        what = "an upload" if removed.task_id is None else f"task {removed.task_id}: {removed.files} picture(s)"
        _log.info("removed %s, %d bytes: %s", what, removed.size, why)
    return bool(taken)
